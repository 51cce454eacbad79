//! Texts of a mail that are hard to tell from their ground, in the light and in the dark scheme (WCAG 2.2 §1.4.3).
//!
//! A mail's style sheets are put on its elements, those for dark mode behind the others, and then each text is looked at
//! on the ground that it stands on. What cannot be known (a picture behind a text, `var()`) is not judged.

use std::collections::BTreeMap;
use std::fmt;

use css_inline::CSSInliner;
use dom_query::{Document, NodeRef};

use super::colour::{Rgb, contrast, mix};
use super::css::{self, Colour};
use super::html;

/// What a text must have, and a large one: from 24 pixels on, or bold from 18⅔.
const WANTED: f64 = 4.5;
const WANTED_LARGE: f64 = 3.0;
const LARGE: f64 = 24.0;
const LARGE_BOLD: f64 = 56.0 / 3.0;

/// Smaller ones are not meant to be seen.
const SMALLEST: f64 = 2.0;

/// How much of a text names its place, in characters.
const PLACE: usize = 40;

/// The reader's system asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scheme {
    Light,
    Dark,
}

/// A colour on a ground that it cannot be read on.
#[derive(Clone, Debug, PartialEq)]
pub struct Faint {
    pub scheme: Scheme,
    /// As `#rrggbb`.
    pub text: String,
    pub ground: String,
    /// 1 to 21.
    pub ratio: f64,
    pub wanted: f64,
    /// The first text that is printed so, or its beginning.
    pub place: String,
    /// How many are.
    pub places: usize,
}

impl fmt::Display for Faint {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { text, ground, ratio, wanted, place, .. } = self;
        // Rounded down: 4.496 is not 4.5.
        let ratio = (ratio * 100.0).floor() / 100.0;
        let scheme = if self.scheme == Scheme::Dark { ", in dark mode" } else { "" };
        let more = match self.places {
            0 | 1 => String::new(),
            places => format!(" and {} more", places - 1),
        };
        write!(to, "{text} on {ground}{scheme} ({ratio} to 1, wanted {wanted}): “{place}”{more}")
    }
}

/// What is hard to read in a mail's HTML, the worst first. A mail without rules for dark mode is looked at in the light
/// alone: mail programs make its dark colours themselves.
pub fn faint(html: &str) -> Vec<Faint> {
    if html::is_deep(html) {
        return vec![];
    }
    let sheets: Vec<String> =
        Document::from(html).select("style").iter().map(|style| style.text().to_string()).collect();
    let rules = |scheme: &str| sheets.iter().map(|sheet| css::rules_for(sheet, scheme)).collect::<String>();
    let dark = rules("dark");
    let mut found = look(html, &rules("light"), Scheme::Light);
    if !dark.trim().is_empty() {
        found.extend(look(html, &dark, Scheme::Dark));
    }
    found.sort_by(|one, other| (one.ratio / one.wanted).total_cmp(&(other.ratio / other.wanted)));
    found
}

fn look(html: &str, rules: &str, scheme: Scheme) -> Vec<Faint> {
    let inliner = CSSInliner::options().load_remote_stylesheets(false).extra_css(Some(rules.into())).build();
    // A style that is none is told by whoever renders the mail.
    let Ok(styled) = inliner.inline(html) else { return vec![] };
    let page = Document::from(styled.as_str());
    let mut found = BTreeMap::new();
    // Not by recursion: what a template nests may be deep.
    let mut open = vec![(page.root(), Paint::of_page(html, scheme))];
    while let Some((node, paint)) = open.pop() {
        if node.is_text() {
            paint.judge(&node.text(), &mut found);
        }
        let mut inside = vec![];
        for child in node.children() {
            match child.is_element() {
                true => inside.extend(paint.inside(&child).map(|paint| (child, paint))),
                false => inside.push((child, paint)),
            }
        }
        open.extend(inside.into_iter().rev());
    }
    let faint = |((text, ground, is_large), (place, places)): ((Rgb, Rgb, bool), (String, usize))| Faint {
        scheme,
        text: text.to_string(),
        ground: ground.to_string(),
        ratio: contrast(text, ground),
        wanted: wanted(is_large),
        place,
        places,
    };
    found.into_iter().map(faint).collect()
}

fn wanted(is_large: bool) -> f64 {
    if is_large { WANTED_LARGE } else { WANTED }
}

/// Pairs that are hard to read, by colour, ground and whether the text is large: where the first stands, and how many.
type Found = BTreeMap<(Rgb, Rgb, bool), (String, usize)>;

/// How a text is printed; none: nobody knows.
#[derive(Clone, Copy, Debug)]
struct Paint {
    text: Option<Rgb>,
    /// How much of the text's colour covers its ground.
    alpha: f64,
    ground: Option<Rgb>,
    size: f64,
    is_bold: bool,
    /// What a link has that says nothing else.
    link: Rgb,
}

impl Paint {
    /// What browsers and mail programs begin with.
    fn of_page(html: &str, scheme: Scheme) -> Self {
        let is_told = html.to_ascii_lowercase().replace("prefers-color-scheme", "").contains("color-scheme");
        let (text, ground, link) = match scheme {
            Scheme::Dark if is_told => (Rgb(0xFF, 0xFF, 0xFF), Rgb(0x12, 0x12, 0x12), Rgb(0x9E, 0x9E, 0xFF)),
            _ => (Rgb(0, 0, 0), Rgb(0xFF, 0xFF, 0xFF), Rgb(0, 0, 0xEE)),
        };
        Self { text: Some(text), alpha: 1.0, ground: Some(ground), size: 16.0, is_bold: false, link }
    }

    /// How the texts of an element are printed that stands in this; none where they are not seen.
    fn inside(&self, element: &NodeRef<'_>) -> Option<Self> {
        let name = element.node_name().unwrap_or_default();
        let mut paint = *self;
        match &*name {
            "head" | "style" | "script" | "title" | "template" | "noscript" => return None,
            "h1" => (paint.size, paint.is_bold) = (self.size * 2.0, true),
            "h2" => (paint.size, paint.is_bold) = (self.size * 1.5, true),
            "h3" => (paint.size, paint.is_bold) = (self.size * 1.17, true),
            "b" | "strong" | "th" => paint.is_bold = true,
            "a" if element.has_attr("href") => (paint.text, paint.alpha) = (Some(self.link), 1.0),
            _ => {}
        }
        if let Some(value) = element.attr("bgcolor") {
            paint.cover(css::colour(&value), self);
        }
        // The attribute, other than the property, is a picture's address.
        if element.has_attr("background") {
            paint.ground = None;
        }
        let attribute = if &*name == "body" { "text" } else { "color" };
        if let Some(value) = element.attr(attribute).filter(|_| matches!(&*name, "body" | "font")) {
            paint.write(css::colour(&value), self);
        }
        for (property, value) in css::declarations(&element.attr("style").unwrap_or_default()) {
            match property.as_str() {
                "color" => paint.write(css::colour(&value), self),
                "background" | "background-color" => paint.cover(css::colour(&value), self),
                "background-image" if value != "none" => paint.ground = None,
                "font-size" | "font" => paint.size = css::pixels(&value, self.size).unwrap_or(paint.size),
                "display" if value == "none" => return None,
                "visibility" if value == "hidden" => return None,
                "opacity" | "max-height" if css::pixels(&value, self.size) == Some(0.0) => return None,
                _ => {}
            }
            if matches!(property.as_str(), "font-weight" | "font") {
                paint.is_bold = css::is_bold(&value).unwrap_or(paint.is_bold);
            }
        }
        Some(paint)
    }

    fn write(&mut self, colour: Colour, around: &Self) {
        (self.text, self.alpha) = match colour {
            Colour::Of(text, alpha) => (Some(text), alpha),
            Colour::Inherited => (around.text, around.alpha),
            Colour::Unknown => (None, 1.0),
        };
    }

    fn cover(&mut self, colour: Colour, around: &Self) {
        self.ground = match colour {
            Colour::Of(ground, alpha) if alpha >= 1.0 => Some(ground),
            Colour::Of(ground, alpha) => around.ground.map(|behind| mix(behind, ground, alpha)),
            Colour::Inherited => around.ground,
            Colour::Unknown => None,
        };
    }

    /// Adds a text that cannot be read so.
    fn judge(&self, text: &str, found: &mut Found) {
        let (Some(colour), Some(ground)) = (self.text, self.ground) else { return };
        // Signs between texts tell nothing.
        let is_said = text.chars().any(char::is_alphanumeric);
        let is_large = self.size >= LARGE || (self.is_bold && self.size >= LARGE_BOLD);
        let colour = mix(ground, colour, self.alpha);
        if !is_said || self.size < SMALLEST || contrast(colour, ground) >= wanted(is_large) {
            return;
        }
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let place: String = match words.chars().count() > PLACE {
            true => words.chars().take(PLACE - 1).chain(['…']).collect(),
            false => words,
        };
        found.entry((colour, ground, is_large)).or_insert((place, 0)).1 += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(html: &str) -> Vec<String> {
        faint(html).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_text_is_judged_on_the_ground_that_it_stands_on() {
        for (html, expected) in [
            ("<p style='color:#767676'>x</p>", None),
            ("<p style='color:#777777'>x</p>", Some("#777777 on #FFFFFF (4.47 to 1, wanted 4.5): “x”")),
            ("<td bgcolor='#000000'><p>x</p></td>", None),
            ("<table bgcolor=black><tr><td>x</table>", Some("#000000 on #000000 (1 to 1, wanted 4.5): “x”")),
            (
                "<div style='background:#000'><p style='background-color:transparent;color:#fff'>x</p></div>",
                None,
            ),
            ("<div style='background:url(x.png)'>x<p style='color:#fff'>x</p></div>", None),
            ("<p style='color:var(--ink)'>x</p>", None),
            (
                "<p style='color:rgba(0,0,0,.3)'>x</p>",
                Some("#B2B2B2 on #FFFFFF (2.12 to 1, wanted 4.5): “x”"),
            ),
            ("<font color='#ffff00'>x</font>", Some("#FFFF00 on #FFFFFF (1.07 to 1, wanted 4.5): “x”")),
            // Links have a colour of their own.
            ("<p style='color:#eee;background:#eee'><a href=x>x</a></p>", None),
            ("<body text=white><p>x</body>", Some("#FFFFFF on #FFFFFF (1 to 1, wanted 4.5): “x”")),
        ] {
            assert_eq!(told(html), expected.into_iter().collect::<Vec<_>>(), "{html}");
        }
    }

    #[test]
    fn a_large_text_needs_less() {
        for (html, is_faint) in [
            ("<p style='color:#949494;font-size:24px'>x</p>", false),
            ("<p style='color:#949494;font-size:23px'>x</p>", true),
            ("<p style='color:#949494;font-size:19px;font-weight:bold'>x</p>", false),
            ("<p style='color:#949494;font-size:19px'><b>x</b></p>", false),
            ("<h1 style='color:#949494'>x</h1>", false),
            ("<h1 style='color:#959595'>x</h1>", true),
            ("<p style='color:#949494;font:bold 15pt/1.3 serif'>x</p>", false),
        ] {
            assert_eq!(!faint(html).is_empty(), is_faint, "{html}: {:?}", told(html));
        }
    }

    #[test]
    fn what_nobody_sees_is_not_judged() {
        for html in [
            "<div style='display:none;color:#fff'>x</div>",
            "<div style='max-height:0;overflow:hidden;color:#fff'><p>x</p></div>",
            "<div style='font-size:1px;color:#fff'>x</div>",
            "<p style='color:#ccc'> · | &nbsp;</p>",
            "<title>x</title><style>p { color: #fff }</style><!-- x --><p></p>",
            "",
            "<p style='color:#fff",
        ] {
            assert_eq!(told(html), Vec::<String>::new(), "{html}");
        }
    }

    #[test]
    fn rules_of_style_sheets_count_and_those_for_dark_mode_in_the_dark() {
        let page = |dark: &str| {
            format!(
                "<html><head><meta name='color-scheme' content='light dark'><style>.m {{ color: #5E5A52 }} \
                 @media (prefers-color-scheme: dark) {{ {dark} }}</style></head><body style='background:#FBFAF7'>\
                 <p class='m'>Read on</p><p class='m'>and on</p></body></html>"
            )
        };
        assert_eq!(told(&page("")), Vec::<String>::new());
        let ground = "body { background: #14151A !important } ";
        assert_eq!(
            told(&page(ground)),
            ["#5E5A52 on #14151A, in dark mode (2.65 to 1, wanted 4.5): “Read on” and 1 more"]
        );
        assert_eq!(
            told(&page(&format!("{ground} .m {{ color: #A9A59B !important }}"))),
            Vec::<String>::new()
        );
    }

    #[test]
    fn what_is_nested_too_deep_to_be_parsed_is_not_judged() {
        let nested = |deep: usize| format!("{}<p style='color:#fff'>x</p>", "<div>".repeat(deep));
        assert_eq!(faint(&nested(html::MOST_DEEP - 2)).len(), 1);
        assert_eq!(faint(&nested(20_000)), []);
    }
}
