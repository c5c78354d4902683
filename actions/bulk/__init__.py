"""Rules by the thousand: written to files, and read from them (docs/import-export.md)."""
