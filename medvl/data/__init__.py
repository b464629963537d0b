"""The canonical study table, image reading, the decoded-image store, views, and feeding."""
