"""The verbs. They read arguments, call the app, and speak to people; nothing else lives here."""
