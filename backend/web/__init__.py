"""What answers over HTTP: Label Studio's protocol, the projects' actions, and the pages."""
