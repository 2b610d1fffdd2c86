"""What each type of query tells of its rows: one file a family, collected by ``registry``."""
