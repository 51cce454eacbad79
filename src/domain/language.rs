//! Languages: which way they are written, how they write a date, and the fixed words of mails and pages.
