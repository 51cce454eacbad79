//! Daybreak collects new articles, composes each newsletter's issue, renders it from Handlebars templates, and sends
//! it to every subscriber over SMTP on a schedule: nobody skipped, nobody mailed twice.

pub mod clock;
pub mod domain;
pub mod render;
