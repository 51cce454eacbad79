//! The names of tags in one cell of a file.

/// What stands between two names.
const BETWEEN: [char; 3] = [',', ';', '|'];

/// The names in a cell: apart by comma, semicolon or bar. One in quotation marks, as some programs write them all, may hold
/// these itself.
pub fn split(cell: &str) -> Vec<String> {
    let (mut names, mut name, mut is_quoted) = (vec![], String::new(), false);
    let mut signs = cell.chars().peekable();
    while let Some(sign) = signs.next() {
        match sign {
            '"' if is_quoted && signs.peek() == Some(&'"') => name.extend(signs.next()),
            '"' if is_quoted => is_quoted = false,
            '"' if name.trim().is_empty() => {
                name.clear();
                is_quoted = true;
            }
            sign if !is_quoted && BETWEEN.contains(&sign) => names.push(std::mem::take(&mut name)),
            sign => name.push(sign),
        }
    }
    names.push(name);
    names.retain(|name| !name.trim().is_empty());
    names
}

/// A cell that `split` reads back.
pub fn join(names: &[String]) -> String {
    let quoted = |name: &String| match name.contains(BETWEEN) || name.contains('"') {
        true => format!("\"{}\"", name.replace('"', "\"\"")),
        false => name.clone(),
    };
    names.iter().map(quoted).collect::<Vec<_>>().join(";")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_read_as_other_programs_write_them() {
        for (cell, names) in [
            ("vip", vec!["vip"]),
            ("vip, press;; new | old ,", vec!["vip", " press", " new ", " old "]),
            ("\"vip\",\"a, b\"", vec!["vip", "a, b"]),
            ("5\" disk", vec!["5\" disk"]),
            ("\"never closed, x", vec!["never closed, x"]),
            (" ", vec![]),
        ] {
            assert_eq!(split(cell), names, "{cell}");
        }
    }

    proptest! {
        #[test]
        fn what_was_joined_is_split_again(names in prop::collection::vec("[a-c,;|\"]{1,5}( [a-c,;|\"]{1,3})?", 0..6)) {
            prop_assert_eq!(split(&join(&names)), names);
        }
    }
}
