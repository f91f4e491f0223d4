"""tap-bigin: a Singer tap for Zoho Bigin through the Maton gateway."""
