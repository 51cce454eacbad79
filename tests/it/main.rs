//! The real program against a scripted SMTP server and a local HTTP server: one behaviour per file.
//!
//! Every test runs on SQLite, and on PostgreSQL where `TEST_DATABASE_URL` names a server (`tests/run` starts one).

#![expect(clippy::unwrap_used, reason = "a test that fails shows where")]

mod bad_input;
mod browser;
mod browser_admin;
mod browser_axe;
mod browser_desk;
mod browser_editor;
mod browser_keys;
mod browser_pages;
mod browser_readers;
mod browser_roles;
mod browser_world;
mod calendar;
mod chance;
mod clusters;
mod database_faults;
mod daybreak;
mod digest;
mod dkim;
mod doctor;
mod feeds;
mod keeping;
mod kills;
mod ledger;
mod limits;
mod mail;
mod measuring;
mod message;
mod names;
mod nodes;
mod pause;
mod readme;
mod relay;
mod relay_faults;
mod relay_slow;
mod relays;
mod sink;
mod structure;
mod users;
mod web;
mod why;
