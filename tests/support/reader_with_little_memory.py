"""The process that reads files, with less memory than a record of the largest size needs."""

from app.chat.transfer.reading import __main__ as process

process._MEMORY_TIMES = 1
process.main()
