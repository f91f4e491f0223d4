"""Operators: arguments, templates, files, thresholds, XCom and state; no rule of Bigin."""
