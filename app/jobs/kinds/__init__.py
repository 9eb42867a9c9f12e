"""The kinds of jobs that concern models: every module here with ``KIND``. Other packages have their own."""
