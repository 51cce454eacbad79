//! As much of CSS as it takes to know the colour, the ground and the size of a text.

use cssparser::color::{parse_hash_color, parse_named_color};
use cssparser::{Delimiter, ParseError, Parser, Token};

use super::colour::Rgb;

/// A colour as a style says it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Colour {
    /// With how much of it covers what is behind it, 0 to 1.
    Of(Rgb, f64),
    /// As around it.
    Inherited,
    /// A picture, or a way of writing that is not read here.
    Unknown,
}

const NOTHING: Colour = Colour::Of(Rgb(0, 0, 0), 0.0);

/// What a `style` attribute declares, in small letters, in the order in which it counts: what is `!important` last.
pub(super) fn declarations(style: &str) -> Vec<(String, String)> {
    let mut parser = Parser::new(style);
    let mut found = vec![];
    while !parser.is_exhausted() {
        let declared = parser.parse_until_after(Delimiter::Semicolon, |parser| {
            let name = parser.expect_ident()?.to_ascii_lowercase();
            parser.expect_colon()?;
            Ok::<_, ParseError<()>>((name, rest(parser)))
        });
        // What is no declaration counts for nothing, and the next one does.
        if let Ok((name, value)) = declared {
            let value = value.trim().to_ascii_lowercase();
            let important =
                value.strip_suffix("important").and_then(|value| value.trim_end().strip_suffix('!'));
            let is_important = important.is_some();
            found.push((is_important, name, important.unwrap_or(&value).trim().to_owned()));
        }
    }
    found.sort_by_key(|(is_important, ..)| *is_important);
    found.into_iter().map(|(_, name, value)| (name, value)).collect()
}

/// Everything up to the end of what is parsed.
fn rest<'i>(parser: &mut Parser<'i>) -> &'i str {
    let from = parser.position();
    while parser.next().is_ok() {}
    parser.slice_from(from)
}

/// The rules of a style sheet that count only where the reader's system is of this colour scheme.
pub(super) fn rules_for(sheet: &str, scheme: &str) -> String {
    let condition = format!("prefers-color-scheme:{scheme}");
    let mut parser = Parser::new(sheet);
    let (mut rules, mut asked) = (String::new(), None);
    loop {
        let at = parser.position();
        match parser.next() {
            Ok(Token::AtKeyword(name)) if name.eq_ignore_ascii_case("media") => asked = Some(at),
            Ok(Token::Semicolon) => asked = None,
            Ok(Token::CurlyBracketBlock) => {
                let media = asked.take().map_or("", |from| parser.slice_from(from)).to_ascii_lowercase();
                let media: String = media.split_whitespace().collect();
                let inside = parser.parse_nested_block(|inner| Ok::<_, ParseError<()>>(rest(inner)));
                if let (true, false, Ok(inside)) = (media.contains(&condition), media.contains("not"), inside)
                {
                    rules.push_str(inside);
                    rules.push('\n');
                }
            }
            Ok(_) => {}
            Err(_) => return rules,
        }
    }
}

/// The colour that a value begins with or has somewhere in it, as `background` may.
pub(super) fn colour(value: &str) -> Colour {
    let mut parser = Parser::new(value);
    let (mut found, mut is_none) = (None, false);
    loop {
        let colour = match parser.next() {
            Ok(Token::Hash(digits) | Token::IDHash(digits)) => parse_hash_color(digits.as_bytes())
                .ok()
                .map(|(red, green, blue, alpha)| Colour::Of(Rgb(red, green, blue), f64::from(alpha))),
            Ok(Token::Ident(name)) => {
                is_none |= name.eq_ignore_ascii_case("none");
                named(&name.to_ascii_lowercase())
            }
            Ok(Token::Function(name)) if ["rgb", "rgba"].contains(&name.to_ascii_lowercase().as_str()) => {
                let parsed = parser.parse_nested_block(|inner| Ok::<_, ParseError<()>>(of_parts(inner)));
                Some(parsed.unwrap_or(Colour::Unknown))
            }
            // A picture covers whatever colour there is.
            Ok(Token::Function(_) | Token::UnquotedUrl(_)) => return Colour::Unknown,
            Ok(_) => None,
            // `background: none` has no colour either.
            Err(_) if is_none => return found.unwrap_or(NOTHING),
            Err(_) => return found.unwrap_or(Colour::Unknown),
        };
        found = found.or(colour);
    }
}

fn named(name: &str) -> Option<Colour> {
    match name {
        "transparent" | "initial" => Some(NOTHING),
        "inherit" | "currentcolor" | "unset" => Some(Colour::Inherited),
        name => parse_named_color(name).ok().map(|(red, green, blue)| Colour::Of(Rgb(red, green, blue), 1.0)),
    }
}

/// `255, 255, 255, 0.5` and `100% 100% 100% / 50%`.
fn of_parts(parser: &mut Parser<'_>) -> Colour {
    let mut parts = vec![];
    while let Ok(token) = parser.next() {
        match token {
            Token::Number { value, .. } => parts.push((f64::from(*value), false)),
            Token::Percentage { unit_value, .. } => parts.push((f64::from(*unit_value), true)),
            Token::Comma | Token::Delim('/') => {}
            _ => return Colour::Unknown,
        }
    }
    let part = |(value, is_share): (f64, bool)| (if is_share { value * 255.0 } else { value }).round() as u8;
    match parts.as_slice() {
        [red, green, blue] => Colour::Of(Rgb(part(*red), part(*green), part(*blue)), 1.0),
        [red, green, blue, (alpha, _)] => {
            Colour::Of(Rgb(part(*red), part(*green), part(*blue)), alpha.clamp(0.0, 1.0))
        }
        _ => Colour::Unknown,
    }
}

/// A length in pixels; `around` is what it is relative to. None where it is not read here.
pub(super) fn pixels(value: &str, around: f64) -> Option<f64> {
    let mut parser = Parser::new(value);
    loop {
        match parser.next() {
            Ok(Token::Dimension { value, unit, .. }) => {
                let value = f64::from(*value);
                return match unit.to_ascii_lowercase().as_str() {
                    "px" => Some(value),
                    "pt" => Some(value * 4.0 / 3.0),
                    "em" => Some(value * around),
                    "rem" => Some(value * 16.0),
                    _ => None,
                };
            }
            Ok(Token::Percentage { unit_value, .. }) => return Some(f64::from(*unit_value) * around),
            Ok(Token::Number { value: 0.0, .. }) => return Some(0.0),
            Ok(Token::Delim('/')) | Err(_) => return None,
            Ok(_) => {}
        }
    }
}

/// Whether a weight is a bold one; none where it stays as it is.
pub(super) fn is_bold(value: &str) -> Option<bool> {
    value.split_whitespace().find_map(|word| match word {
        "bold" | "bolder" => Some(true),
        "normal" | "lighter" => Some(false),
        number => number.parse::<u16>().ok().map(|weight| weight >= 700),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_important_counts_last_and_what_is_none_counts_for_nothing() {
        let style = "Color: RED !important; background:url(data:image/png;base64,x;y); oops; color:blue;;font-size:9px";
        let expected = [
            ("background", "url(data:image/png;base64,x;y)"),
            ("color", "blue"),
            ("font-size", "9px"),
            ("color", "red"),
        ];
        let found = declarations(style);
        let found: Vec<(&str, &str)> =
            found.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn the_rules_of_a_scheme_are_found_among_others() {
        let sheet = "/* @media (prefers-color-scheme: dark) { .no { } } */ .a { color: red }
            @import 'x'; @media only screen and (max-width: 480px) { .b { color: red } }
            @media (prefers-color-scheme:  dark) { .c { content: '}' } .d, .d a { color: red } }
            @media not all and (prefers-color-scheme: dark) { .e { color: red } }
            @MEDIA screen and (Prefers-Color-Scheme:dark) { .f { color: red";
        let rules = rules_for(sheet, "dark");
        for (class, expected) in [
            (".no", false),
            (".a", false),
            (".b", false),
            (".c", true),
            (".d a", true),
            (".e", false),
            (".f", true),
        ] {
            assert_eq!(rules.contains(class), expected, "{class}: {rules}");
        }
        assert_eq!(rules_for(sheet, "light"), "");
    }

    #[test]
    fn colours_are_read_in_the_ways_that_mails_write_them() {
        let solid = |red, green, blue| Colour::Of(Rgb(red, green, blue), 1.0);
        for (value, expected) in [
            ("#FBFAF7", solid(251, 250, 247)),
            ("#abc", solid(170, 187, 204)),
            ("rebeccapurple", solid(102, 51, 153)),
            ("rgb(1, 2, 3)", solid(1, 2, 3)),
            ("rgba(255 255 255 / 50%)", Colour::Of(Rgb(255, 255, 255), 0.5)),
            ("none repeat scroll #fff", solid(255, 255, 255)),
            ("none", NOTHING),
            ("Transparent", NOTHING),
            ("inherit", Colour::Inherited),
            ("#fff url(x.png) no-repeat", Colour::Unknown),
            ("linear-gradient(red, blue)", Colour::Unknown),
            ("hsl(0 100% 50%)", Colour::Unknown),
            ("var(--ink)", Colour::Unknown),
            ("", Colour::Unknown),
        ] {
            assert_eq!(colour(value), expected, "{value}");
        }
    }

    #[test]
    fn sizes_and_weights_are_read() {
        for (value, expected) in [
            ("17px", Some(17.0)),
            ("12pt", Some(16.0)),
            ("1.5em", Some(30.0)),
            ("50%", Some(10.0)),
            ("0", Some(0.0)),
            ("3vw", None),
        ] {
            assert_eq!(pixels(value, 20.0), expected, "{value}");
        }
        assert_eq!(
            ["bold", "700", "400", "inherit"].map(is_bold),
            [Some(true), Some(true), Some(false), None]
        );
    }
}
