"""debate: claims of the two mails, each with its words, its experiment, and its verdict."""
