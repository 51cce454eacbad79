//! Links and titles as identities: which two articles are the same, which two tell the same story.
