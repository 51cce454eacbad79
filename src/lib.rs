//! Daybreak collects new articles, composes each newsletter's issue, renders it from Handlebars templates, and sends
//! it to every subscriber over SMTP on a schedule: nobody skipped, nobody mailed twice.

pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod db;
pub mod demo;
pub mod domain;
pub mod mail;
pub mod pipeline;
pub mod render;
pub mod schedule;
pub mod sources;
pub mod web;
