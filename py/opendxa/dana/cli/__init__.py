"""The command ``dana-bridge``: one file a subcommand, all of them listed in `main`."""
