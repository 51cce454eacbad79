//! A newsletter's colour, made readable on the ground that it is printed on (WCAG 2.2 §1.4.3: 4.5:1).

use std::fmt;

/// The grounds of the mail, light and dark.
const LIGHT_GROUND: Rgb = Rgb(0xFF, 0xFF, 0xFF);
const DARK_GROUND: Rgb = Rgb(0x1B, 0x1D, 0x24);

/// What a newsletter without a colour of its own gets (look: dawn).
const DEFAULT: Rgb = Rgb(0xB4, 0x45, 0x1F);

/// A little more than AA's 4.5, so that rounding never falls below.
const WANTED_CONTRAST: f64 = 4.6;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rgb(pub u8, pub u8, pub u8);

impl fmt::Display for Rgb {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(red, green, blue) = self;
        write!(to, "#{red:02X}{green:02X}{blue:02X}")
    }
}

/// `colour` for the light and for the dark ground, each as `#rrggbb`, moved towards black or white no further than
/// it must be to be read. What is not `#rrggbb` is replaced by the default.
pub(super) fn readable(colour: &str) -> (String, String) {
    let colour = parse(colour).unwrap_or(DEFAULT);
    let on_light = approach(colour, Rgb(0, 0, 0), LIGHT_GROUND);
    let on_dark = approach(colour, Rgb(0xFF, 0xFF, 0xFF), DARK_GROUND);
    (on_light.to_string(), on_dark.to_string())
}

fn parse(text: &str) -> Option<Rgb> {
    let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6)?;
    let part = |from: usize| u8::from_str_radix(digits.get(from..from + 2)?, 16).ok();
    // `from_str_radix` takes a sign.
    if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    Some(Rgb(part(0)?, part(2)?, part(4)?))
}

/// The first of 21 steps from `colour` to `goal` that can be read on `ground`.
fn approach(colour: Rgb, goal: Rgb, ground: Rgb) -> Rgb {
    (0..=20)
        .map(|step| mix(colour, goal, f64::from(step) / 20.0))
        .find(|mixed| contrast(*mixed, ground) >= WANTED_CONTRAST)
        .unwrap_or(goal)
}

/// `share` of the way from one colour to another, 0 to 1.
pub(super) fn mix(from: Rgb, to: Rgb, share: f64) -> Rgb {
    let blend =
        |from: u8, to: u8| (f64::from(from) + (f64::from(to) - f64::from(from)) * share).round() as u8;
    Rgb(blend(from.0, to.0), blend(from.1, to.1), blend(from.2, to.2))
}

/// WCAG's contrast ratio, 1 to 21.
pub(super) fn contrast(one: Rgb, other: Rgb) -> f64 {
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

fn luminance(Rgb(red, green, blue): Rgb) -> f64 {
    let linear = |part: u8| {
        let part = f64::from(part) / 255.0;
        if part <= 0.040_45 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_colour_becomes_readable_on_both_grounds() {
        for colour in ["#FFCC00", "#000000", "#ffffff", "#1B1D24", "#B4451F", "#0000FF", "", "red", "#+1+2+3"]
        {
            let (light, dark) = readable(colour);
            assert!(contrast(parse(&light).unwrap(), LIGHT_GROUND) >= 4.5, "{colour} → {light}");
            assert!(contrast(parse(&dark).unwrap(), DARK_GROUND) >= 4.5, "{colour} → {dark}");
        }
    }

    #[test]
    fn a_readable_colour_stays_as_it_is() {
        assert_eq!(readable("#b4451f").0, "#B4451F");
        assert_eq!(readable("javascript:alert(1)").0, "#B4451F");
    }

    #[test]
    fn the_mails_own_colours_can_be_read() {
        // Ink, muted and the button's text, as the templates write them.
        for (text, ground) in [
            ("#1C1B19", "#FFFFFF"),
            ("#5E5A52", "#FFFFFF"),
            ("#5E5A52", "#FBFAF7"),
            ("#ECEAE4", "#1B1D24"),
            ("#A9A59B", "#1B1D24"),
            ("#A9A59B", "#14151A"),
        ] {
            assert!(contrast(parse(text).unwrap(), parse(ground).unwrap()) >= 4.5, "{text} on {ground}");
        }
    }
}
