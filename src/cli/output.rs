//! What commands print: sentences and aligned tables for people, JSON for programs.

use std::io::Write as _;

use serde::Serialize;

/// How a command speaks.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    pub json: bool,
}

impl Output {
    /// Prints a sentence; kept back when a program reads along.
    pub fn say(&self, sentence: impl AsRef<str>) {
        if !self.json {
            print_line(&printable(sentence.as_ref()));
        }
    }

    /// Prints `text` as it is, whoever reads: the result itself, such as a rendered mail.
    pub fn raw(&self, text: &str) {
        print_line(text);
    }

    /// Prints one thing: as JSON, or as `lines` of a label and a value.
    pub fn one<T: Serialize>(&self, value: &T, lines: &[(&str, String)]) {
        if self.json {
            print_line(&to_json(value));
            return;
        }
        let width = lines.iter().map(|(label, _)| label.chars().count()).max().unwrap_or(0);
        for (label, value) in lines {
            print_line(&format!("{label:<width$}  {}", printable(value)));
        }
    }

    /// Prints a list: as a JSON array, or as a table with `headings`; `empty` says what it means that there is none.
    pub fn list<T: Serialize>(
        &self,
        items: &[T],
        headings: &[&str],
        cells: impl Fn(&T) -> Vec<String>,
        empty: &str,
    ) {
        if self.json {
            print_line(&to_json(&items));
            return;
        }
        if items.is_empty() {
            print_line(empty);
            return;
        }
        let row = |item| cells(item).iter().map(|cell| printable(cell)).collect();
        let rows: Vec<Vec<String>> = items.iter().map(row).collect();
        let width = |column: usize| {
            let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
            cells.chain([headings[column].chars().count()]).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..headings.len()).map(width).collect();
        let print = |row: &[String]| {
            let padded = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
            print_line(padded.collect::<Vec<_>>().join("  ").trim_end());
        };
        print(&headings.iter().map(|heading| (*heading).to_owned()).collect::<Vec<_>>());
        rows.iter().for_each(|row| print(row));
    }
}

/// Prints a line; whoever reads may stop reading (`| head`).
fn print_line(line: &str) {
    let mut out = std::io::stdout().lock();
    if let Err(error) = writeln!(out, "{line}")
        && error.kind() == std::io::ErrorKind::BrokenPipe
    {
        std::process::exit(0);
    }
}

/// Text from outside as a terminal may show it: control characters spelled out, but for line breaks.
pub fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' => shown.push('\n'),
            other if other.is_control() => shown.extend(other.escape_default()),
            other => shown.push(other),
        }
    }
    shown
}

fn to_json<T: Serialize>(value: &T) -> String {
    serde_json::to_string_pretty(value).expect("what commands print has only text keys")
}
