"""A simulator of Zoho Bigin behind the Maton gateway, for offline tests and demonstrations.

It states the service's rules as ``bigin-api.md`` section 9 lists them, a second time and apart
from the client on purpose: shared code would share the mistake. It imports nothing of
`bigin_client` outside this folder.
"""

from bigin_client.testing.admin_client import SimulatorAdmin
from bigin_client.testing.audit import Violation
from bigin_client.testing.faults import Fault
from bigin_client.testing.fields import Field, PickValue
from bigin_client.testing.serving import serve
from bigin_client.testing.simulator import BiginSimulator
from bigin_client.testing.switches import Switches

__all__ = [
    "BiginSimulator",
    "Fault",
    "Field",
    "PickValue",
    "SimulatorAdmin",
    "Switches",
    "Violation",
    "serve",
]
