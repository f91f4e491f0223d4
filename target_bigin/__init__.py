"""Singer target for Zoho Bigin, through the Maton gateway."""
