"""What people see: each front end speaks HTTP to the API and imports nothing of `app`."""
