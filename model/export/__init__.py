"""Masks as files that other programs read: class ids, numbered objects, COCO; a folder that is resumed."""
