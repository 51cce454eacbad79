-- Room on each page for the new version of a row that claiming and recording it write: it stays on the page.
ALTER TABLE deliveries SET (fillfactor = 45);
