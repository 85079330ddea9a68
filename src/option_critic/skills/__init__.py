"""Options that left their run: what a skill is, its folder, and how it is made."""
