//! What a page says about its article: the best of JSON-LD, OpenGraph, `article:*`, Dublin Core and its own elements.

use std::collections::HashMap;

use dom_query::{Document, NodeRef};
use url::Url;

use super::jsonld::{self, ArticleData};
use crate::domain::calendar::Timestamp;
use crate::domain::link::web_link;
use crate::sources::byline::{join_names, name_of_person};
use crate::sources::dates::parse_date;
use crate::sources::html::alt_on;
use crate::sources::language::read_language;
use crate::sources::text::{alternative, cut_at_word, node_text, to_line, to_text};

/// What is known of an article but its story.
#[derive(Clone, Debug, Default)]
pub struct Metadata {
    pub url: Option<Url>,
    /// What links on the page are relative to.
    pub base: Option<Url>,
    pub title: Option<String>,
    pub author: Option<String>,
    pub description: Option<String>,
    pub language: Option<String>,
    pub image: Option<String>,
    pub image_alt: Option<String>,
    pub published_at: Option<Timestamp>,
    pub modified_at: Option<Timestamp>,
    pub categories: Vec<String>,
    /// The story in plain text, from JSON-LD.
    pub body: Option<String>,
    /// Whether the page calls itself an article.
    pub is_article: bool,
}

/// Longer "titles" are sentences in the wrong place.
const LONGEST_TITLE: usize = 300;

pub fn read(page: &Document, found_at: Option<&Url>) -> Metadata {
    let metas = Metas::read(page);
    let data = jsonld::find_article(page);
    let from_data = |name: &str| data.as_ref().and_then(|data| data.text(name));
    let url = find_url(page, &metas, found_at);
    let base = find_base(page, url.as_ref());
    let site_name = metas.first(&["og:site_name", "application-name"]).or_else(|| data.as_ref()?.publisher());
    let published = from_data("datePublished").and_then(|date| parse_date(&date));
    let modified = from_data("dateModified").and_then(|date| parse_date(&date));
    let published_at =
        published.or_else(|| metas.date(PUBLISHED)).or_else(|| find_date(page, PUBLISHED_ELEMENTS));
    let modified_at =
        modified.or_else(|| metas.date(MODIFIED)).or_else(|| find_date(page, MODIFIED_ELEMENTS));
    let image = metas.first(&[
        "og:image:secure_url",
        "og:image",
        "og:image:url",
        "twitter:image",
        "twitter:image:src",
    ]);
    let image = image
        .or_else(|| data.as_ref()?.image())
        .or_else(|| page.select("link[rel=image_src]").attr("href").map(Into::into));
    let image = image.and_then(|link| resolve(&link, base.as_ref()));
    Metadata {
        title: find_title(page, &metas, data.as_ref(), site_name.as_deref(), url.as_ref()),
        author: find_author(page, &metas, data.as_ref()),
        description: from_data("description")
            .or_else(|| {
                metas.first(&[
                    "og:description",
                    "twitter:description",
                    "description",
                    "dc.description",
                    "dcterms.abstract",
                ])
            })
            .map(|text| to_line(&text)),
        language: find_language(page, &metas, from_data("inLanguage")),
        image_alt: image.as_deref().and_then(|image| find_alt(page, &metas, image)),
        image,
        published_at,
        modified_at,
        categories: data
            .as_ref()
            .map(ArticleData::sections)
            .filter(|found| !found.is_empty())
            .unwrap_or_else(|| {
                metas
                    .first(&["article:section", "og:article:section", "parsely-section"])
                    .into_iter()
                    .collect()
            }),
        body: from_data("articleBody").map(|text| to_text(&text)),
        is_article: data.is_some()
            || metas.first(&["og:type"]).is_some_and(|kind| kind.eq_ignore_ascii_case("article")),
        url,
        base,
    }
}

const PUBLISHED: &[&str] = &[
    "article:published_time",
    "og:published_time",
    "og:article:published_time",
    "datepublished",
    "dc.date.issued",
    "dcterms.issued",
    "dcterms.created",
    "dc.date.created",
    "dc.date",
    "dcterms.date",
    "parsely-pub-date",
    "sailthru.date",
    "publish-date",
    "pubdate",
    "publication_date",
    "date",
];
const MODIFIED: &[&str] = &[
    "article:modified_time",
    "og:updated_time",
    "og:article:modified_time",
    "datemodified",
    "dc.date.modified",
    "dcterms.modified",
    "last-modified",
    "lastmod",
];
const PUBLISHED_ELEMENTS: &[&str] = &[
    "[itemprop~=datePublished]",
    "time[pubdate]",
    "time.entry-date:not(.updated)",
    "time.published",
    ".published[title]",
    "article header time[datetime]",
    "article time[datetime]",
    "time[datetime]",
];
const MODIFIED_ELEMENTS: &[&str] =
    &["[itemprop~=dateModified]", "time.updated:not(.published)", "time.modified"];

/// The page's `meta` elements by name or property, in lower case; the first of each.
struct Metas(HashMap<String, String>);

impl Metas {
    fn read(page: &Document) -> Self {
        let mut metas = HashMap::new();
        for meta in page.select("meta[content]").nodes() {
            let content = meta.attr("content").unwrap_or_default();
            if content.trim().is_empty() || content.len() > 10_000 {
                continue;
            }
            for attribute in ["property", "name", "itemprop"] {
                // One element may carry several properties.
                for name in meta.attr(attribute).unwrap_or_default().split_whitespace() {
                    // An `itemprop` within a picture or an advert describes that.
                    if attribute != "itemprop" || meta.parent().is_some_and(|parent| parent.has_name("head"))
                    {
                        metas.entry(name.to_ascii_lowercase()).or_insert_with(|| content.trim().to_owned());
                    }
                }
            }
        }
        Self(metas)
    }

    fn first(&self, names: &[&str]) -> Option<String> {
        names.iter().find_map(|name| self.0.get(*name)).cloned()
    }

    fn date(&self, names: &[&str]) -> Option<Timestamp> {
        names.iter().find_map(|name| parse_date(self.0.get(*name)?))
    }
}

fn resolve(link: &str, base: Option<&Url>) -> Option<String> {
    let link = link.trim();
    let absolute = base.map_or_else(|| Url::parse(link), |base| base.join(link)).ok()?;
    web_link(absolute).map(String::from)
}

/// Where the page was found; for a saved file what it says of itself.
fn find_url(page: &Document, metas: &Metas, found_at: Option<&Url>) -> Option<Url> {
    if found_at.is_some() {
        return found_at.cloned().and_then(web_link);
    }
    let canonical = page.select("link[rel~=canonical]").attr("href").map(|link| link.to_string());
    let own = [canonical, metas.first(&["og:url"]), metas.first(&["twitter:url"])];
    own.into_iter().flatten().find_map(|link| Url::parse(link.trim()).ok().and_then(web_link))
}

fn find_base(page: &Document, url: Option<&Url>) -> Option<Url> {
    let stated = page.select("base[href]").attr("href");
    match (stated, url) {
        (Some(base), Some(url)) => url.join(base.trim()).ok().or_else(|| Some(url.clone())),
        (Some(base), None) => Url::parse(base.trim()).ok(),
        (None, url) => url.cloned(),
    }
}

fn find_title(
    page: &Document,
    metas: &Metas,
    data: Option<&ArticleData>,
    site_name: Option<&str>,
    url: Option<&Url>,
) -> Option<String> {
    let headings: Vec<String> =
        page.select("h1").nodes().iter().take(10).map(|node| to_line(&node_text(node))).collect();
    let headline = data.and_then(|data| data.text("headline").or_else(|| data.text("name")));
    // Search engines ask for 110 characters at most, so headlines there are often cut.
    let headline = headline.filter(|text| !text.ends_with('…') && !text.ends_with("..."));
    let page_title = page.select("head > title").nodes().first().map(|node| node.text().to_string());
    let page_title =
        page_title.or_else(|| page.select("title").nodes().first().map(|node| node.text().to_string()));
    let candidates = [
        headline,
        metas.first(&["og:title"]),
        metas.first(&["twitter:title", "dc.title", "dcterms.title", "parsely-title", "sailthru.title"]),
        page_title,
        page.select("[itemprop~=headline]").nodes().first().map(node_text),
        headings.first().cloned(),
    ];
    let title =
        candidates.into_iter().flatten().map(|title| to_line(&title)).find(|title| !title.is_empty())?;
    let title = without_site(&title, site_name, url, &headings);
    Some(cut_at_word(&title, LONGEST_TITLE))
}

/// The title without " - The Daily Planet" behind it or before it: where the part is the site's name, or a heading of
/// the page says the rest.
fn without_site(title: &str, site_name: Option<&str>, url: Option<&Url>, headings: &[String]) -> String {
    let plain = |text: &str| {
        text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect::<String>()
    };
    let host = url.and_then(Url::host_str).unwrap_or_default().trim_start_matches("www.").to_owned();
    let is_site = |part: &str| {
        let part = plain(part);
        let is_named = site_name.is_some_and(|name| {
            let name = plain(name);
            part == name
                || (part.len() > 3 && name.contains(&part))
                || (name.len() > 3 && part.starts_with(&name))
        });
        is_named
            || (part.len() > 2 && (plain(&host) == part || host.split('.').any(|label| plain(label) == part)))
    };
    // A heading that says the beginning of the title says all of it.
    let heading = headings.iter().find(|heading| {
        let rest = title.strip_prefix(heading.as_str()).unwrap_or_default().trim_start();
        heading.chars().count() >= 15 && rest.starts_with(['-', '|', '–', '—', '·', '•', ':', '»'])
    });
    if let Some(heading) = heading {
        return heading.clone();
    }
    let mut title = title.to_owned();
    for separator in [" | ", " - ", " – ", " — ", " · ", " • ", " :: ", " » ", " / ", " : "] {
        while let Some((story, site)) = title.rsplit_once(separator) {
            if !is_site(site) || story.trim().is_empty() {
                break;
            }
            title = story.trim().to_owned();
        }
        if let Some((site, story)) = title.split_once(separator)
            && is_site(site)
            && story.split_whitespace().count() >= 3
        {
            title = story.trim().to_owned();
        }
    }
    title
}

fn find_author(page: &Document, metas: &Metas, data: Option<&ArticleData>) -> Option<String> {
    let names = data.map(ArticleData::names).unwrap_or_default();
    let names = names.into_iter().filter_map(|name| name_of_person(&to_line(&name)));
    if let Some(names) = join_names(names) {
        return Some(names);
    }
    let stated = [
        "author",
        "article:author",
        "og:article:author",
        "dc.creator",
        "dcterms.creator",
        "parsely-author",
        "sailthru.author",
        "byl",
        "article:author_name",
        "citation_author",
    ];
    if let Some(name) = stated.iter().find_map(|name| name_of_person(&to_line(&metas.first(&[name])?))) {
        return Some(name);
    }
    for selector in AUTHOR_ELEMENTS {
        let found = page.select(selector);
        let nodes = found.nodes().iter().filter(|node| !is_elsewhere(node)).take(10);
        let names: Vec<String> = nodes.filter_map(name_in).collect();
        // Several links to authors are several authors; several bylines are one, repeated for small screens.
        let names =
            if selector.contains("rel~=author") { names } else { names.into_iter().take(1).collect() };
        if let Some(names) = join_names(names) {
            return Some(names);
        }
    }
    None
}

const AUTHOR_ELEMENTS: &[&str] = &[
    "[itemprop~=author] [itemprop~=name]",
    "[itemprop~=author]",
    "a[rel~=author]",
    ".byline .author",
    ".byline [class*=name]",
    ".author .fn",
    ".entry-author",
    ".post-author",
    ".article-author",
    ".author-name",
    ".byline",
    ".author",
    "[class*=byline]",
];

fn name_in(node: &NodeRef<'_>) -> Option<String> {
    let text = match node.attr("content") {
        Some(content) => content.to_string(),
        // A byline's second paragraph tells who the author is, or when.
        None => node_text(node).split('\n').next().unwrap_or_default().to_owned(),
    };
    name_of_person(&to_line(&text)).filter(|name| name.split_whitespace().count() <= 12)
}

/// Whether a node belongs to something else than the article: a comment, a teaser, the page's foot.
fn is_elsewhere(node: &NodeRef<'_>) -> bool {
    let is_foreign = |parent: &NodeRef<'_>| {
        let name = parent.node_name().unwrap_or_default();
        let class = parent.attr("class").unwrap_or_default().to_ascii_lowercase();
        let is_other = ["comment", "related", "sidebar", "recommended", "teaser"]
            .iter()
            .any(|mark| class.split_whitespace().any(|word| word.starts_with(mark)));
        matches!(&*name, "aside" | "footer" | "nav") || (is_other && &*name != "body")
    };
    node.ancestors_it(None).any(|parent| is_foreign(&parent))
}

fn find_date(page: &Document, selectors: &[&str]) -> Option<Timestamp> {
    selectors.iter().find_map(|selector| {
        let found = page.select(selector);
        found.nodes().iter().filter(|node| !is_elsewhere(node)).take(5).find_map(|node| {
            let stated =
                ["datetime", "content", "title"].iter().find_map(|name| parse_date(&node.attr(name)?));
            stated.or_else(|| parse_date(&to_line(&node_text(node))))
        })
    })
}

fn find_language(page: &Document, metas: &Metas, stated: Option<String>) -> Option<String> {
    let root = page.select("html");
    let of_root = root.attr("lang").or_else(|| root.attr("xml:lang")).map(|lang| lang.to_string());
    let header =
        page.select("meta[http-equiv=\"content-language\" i]").attr("content").map(|lang| lang.to_string());
    let others = [
        stated,
        metas.first(&["og:locale", "dc.language", "dcterms.language", "language", "inlanguage"]),
        header,
    ];
    of_root.into_iter().chain(others.into_iter().flatten()).find_map(|text| read_language(&text))
}

/// The description of the lead image: stated, or that of the same picture on the page.
fn find_alt(page: &Document, metas: &Metas, image: &str) -> Option<String> {
    let stated = metas.first(&["og:image:alt", "twitter:image:alt"]);
    stated.and_then(|alt| alternative(&alt)).or_else(|| alt_on(page, image))
}
