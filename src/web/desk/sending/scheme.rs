//! A mail in the light or in the dark, whatever the browser that shows it prefers.

/// A colour scheme to look at a mail in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    Light,
    Dark,
}

/// The mail as a program shows it whose reader prefers this scheme: the question in its styles is answered beforehand.
/// What mail programs do to colours on their own cannot be shown.
pub fn in_scheme(html: &str, scheme: Scheme) -> String {
    // Features that hold in every window, and in none: so the question may stand among others.
    const YES: &str = "(min-width: 0px)";
    const NO: &str = "(max-width: 0px)";
    let (name, dark, light) = match scheme {
        Scheme::Light => ("light", NO, YES),
        Scheme::Dark => ("dark", YES, NO),
    };
    let mut out = String::with_capacity(html.len());
    let mut rest = html;
    while let Some((before, value, after)) = question(rest) {
        out.push_str(before);
        out.push_str(if value.eq_ignore_ascii_case("dark") { dark } else { light });
        rest = after;
    }
    out.push_str(rest);
    out.replace("color-scheme: light dark", &format!("color-scheme: {name}"))
        .replace("color-schemes: light dark", &format!("color-schemes: {name}"))
        .replace("content=\"light dark\"", &format!("content=\"{name}\""))
}

/// The first `(prefers-color-scheme: VALUE)`: what stands before it, the value, and what stands behind.
fn question(text: &str) -> Option<(&str, &str, &str)> {
    const NAME: &str = "prefers-color-scheme";
    let mut from = 0;
    loop {
        let at = from + find_ignoring_case(text.get(from..)?, NAME)?;
        from = at + NAME.len();
        let open = text[..at].trim_end();
        let Some((value, after)) = text[from..].split_once(')') else { continue };
        let Some(value) = value.trim_start().strip_prefix(':').map(str::trim) else { continue };
        if let Some(before) = open.strip_suffix('(')
            && ["dark", "light"].iter().any(|known| value.eq_ignore_ascii_case(known))
        {
            return Some((before, value, after));
        }
    }
}

fn find_ignoring_case(text: &str, name: &str) -> Option<usize> {
    text.as_bytes().windows(name.len()).position(|window| window.eq_ignore_ascii_case(name.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_question_is_answered_wherever_it_stands() {
        let css = "@media (prefers-color-scheme: dark) { a } @media screen and ( Prefers-Color-Scheme:light ) { b }";
        assert_eq!(
            in_scheme(css, Scheme::Dark),
            "@media (min-width: 0px) { a } @media screen and (max-width: 0px) { b }"
        );
        assert_eq!(
            in_scheme(css, Scheme::Light),
            "@media (max-width: 0px) { a } @media screen and (min-width: 0px) { b }"
        );
        let meta = r#"<meta name="color-scheme" content="light dark" />"#;
        assert_eq!(in_scheme(meta, Scheme::Dark), r#"<meta name="color-scheme" content="dark" />"#);
    }

    #[test]
    fn what_only_looks_like_it_stays() {
        for text in
            ["é prefers-color-scheme", "(prefers-color-scheme", "(prefers-color-scheme: no-preference)", ""]
        {
            assert_eq!(in_scheme(text, Scheme::Dark), text);
        }
    }
}
