"""The status pages: for people, made on the server, without anything from elsewhere."""
