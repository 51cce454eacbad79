//! Lines of furniture: what the page around a story says, in the languages that most publishers write.

use crate::sources::text::fold;

/// A line of furniture is no longer than this, in characters: a call to subscribe has one sentence or two.
const LONGEST_LINE: usize = 220;
/// What a text's place on the page tells; see [`judge`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Story,
    /// Not the story, but the story may go on behind it.
    Furniture,
    /// The heading of what comes after a story: other stories, comments.
    End,
}
/// Whether a line (a paragraph, a list item, a heading) belongs to the story.
pub fn judge(line: &str) -> Verdict {
    let line = fold(line);
    let length = line.chars().count();
    if length > LONGEST_LINE {
        return Verdict::Story;
    }
    let lower = line.to_lowercase().replace('’', "'");
    let bare = lower.trim_matches(|c: char| !c.is_alphanumeric());
    let is_whole = |words: &[&str]| words.contains(&bare);
    let begins = |words: &[&str]| words.iter().any(|word| bare.starts_with(word));
    if is_whole(ENDS) || (length < 60 && begins(END_STARTS)) {
        Verdict::End
    } else if bare.is_empty()
        || is_whole(WHOLE_LINES)
        || begins(LABELS)
        || (length < 120 && begins(POINTERS))
        || is_call(bare)
        || is_share_bar(bare)
    {
        Verdict::Furniture
    } else {
        Verdict::Story
    }
}
/// Lines that are furniture as a whole, in lower case without marks around them.
const WHOLE_LINES: &[&str] = &[
    "share",
    "share this",
    "share this article",
    "share this post",
    "share this story",
    "sharing",
    "sharing articles",
    "sharing is caring",
    "share on facebook",
    "share on twitter",
    "share on x",
    "share via email",
    "share article",
    "tweet",
    "tweet this",
    "email",
    "e-mail",
    "print",
    "copy link",
    "whatsapp",
    "facebook",
    "twitter",
    "linkedin",
    "pinterest",
    "telegram",
    "reddit",
    "like this",
    "like loading",
    "loading",
    "advertisement",
    "advertisements",
    "ad",
    "sponsored",
    "sponsored content",
    "promoted",
    "skip to content",
    "skip to main content",
    "menu",
    "home",
    "search",
    "close",
    "listen",
    "listen to this article",
    "save",
    "follow",
    "previous post",
    "next post",
    "previous",
    "next",
    "read more",
    "continue reading",
    "back to top",
    "leave a comment",
    "0 comments",
    "no comments",
    "report a typo",
    "partager",
    "partager cet article",
    "imprimer",
    "publicité",
    "teilen",
    "artikel teilen",
    "drucken",
    "anzeige",
    "werbung",
    "merken",
    "compartir",
    "comparte",
    "compartir este artículo",
    "publicidad",
    "imprimir",
    "condividi",
    "condividi articolo",
    "pubblicità",
    "stampa",
    "compartilhar",
    "compartilhe",
    "publicidade",
    "delen",
];
/// Beginnings of lines that label something: what WordPress themes print around a post.
const LABELS: &[&str] = &[
    "you are currently viewing",
    "you are viewing",
    "post author",
    "post last modified",
    "post published",
    "post category",
    "post categories",
    "post comments",
    "post tags",
    "reading time",
    "read time",
    "estimated reading",
    "tags:",
    "tagged:",
    "tagged in",
    "filed under",
    "posted in",
    "categories:",
    "category:",
    "last updated:",
    "last modified:",
    "published:",
    "posted on",
    "post views",
    "auteur/autrice de la publication",
    "auteur de la publication",
    "auteur/autrice de l",
    "publication publiée",
    "post last",
    "dernière modification de la publication",
    "post category:",
    "commentaires de la publication",
    "temps de lecture",
    "publié le",
    "mis à jour le",
    "étiquettes",
    "beitrags-autor",
    "beitrag veröffentlicht",
    "beitrag zuletzt geändert",
    "beitrags-kategorie",
    "beitrags-kommentare",
    "lesedauer",
    "veröffentlicht am",
    "zuletzt aktualisiert",
    "schlagwörter",
    "du siehst gerade",
    "du betrachtest gerade",
    "sie sehen gerade",
    "autor de la entrada",
    "publicación de la entrada",
    "última modificación de la entrada",
    "categoría de la entrada",
    "comentarios de la entrada",
    "tiempo de lectura",
    "publicado el",
    "etiquetas:",
    "en este momento estás viendo",
    "autore dell'articolo",
    "articolo pubblicato",
    "ultima modifica dell'articolo",
    "categoria dell'articolo",
    "tempo di lettura",
    "al momento stai visualizzando",
    "autor do post",
    "post publicado",
    "você está visualizando",
];
/// Beginnings of lines that lead away from the story.
const POINTERS: &[&str] = &[
    "read more:",
    "read also",
    "also read",
    "read next",
    "see also:",
    "related:",
    "more on this story",
    "click here",
    "click to share",
    "follow us",
    "like us on",
    "join us on",
    "watch:",
    "lire aussi",
    "lire :",
    "lire:",
    "voir aussi",
    "regarder :",
    "read:",
    "à lire aussi",
    "a lire aussi",
    "lire également",
    "suivez-nous",
    "lesen sie auch",
    "lesen sie mehr",
    "mehr zum thema",
    "auch interessant",
    "folgen sie uns",
    "lea también",
    "lee también",
    "te puede interesar",
    "síguenos",
    "leggi anche",
    "seguici",
    "leia também",
    "leia mais",
];
/// Headings of what comes after a story.
const ENDS: &[&str] = &[
    "related",
    "related articles",
    "related posts",
    "related stories",
    "related news",
    "related content",
    "related topics",
    "related coverage",
    "more stories",
    "more news",
    "most read",
    "most popular",
    "trending",
    "trending now",
    "latest news",
    "top stories",
    "recommended",
    "recommended for you",
    "you might also like",
    "you may also like",
    "you may have missed",
    "up next",
    "what to read next",
    "leave a reply",
    "cancel reply",
    "comments",
    "join the conversation",
    "post navigation",
    "about the author",
    "author bio",
    "articles similaires",
    "articles liés",
    "sur le même sujet",
    "à voir aussi",
    "vous aimerez aussi",
    "laisser un commentaire",
    "commentaires",
    "ähnliche beiträge",
    "ähnliche artikel",
    "mehr zum thema",
    "das könnte dich auch interessieren",
    "das könnte sie auch interessieren",
    "schreibe einen kommentar",
    "kommentare",
    "artículos relacionados",
    "entradas relacionadas",
    "deja una respuesta",
    "articoli correlati",
    "lascia un commento",
    "posts relacionados",
    "deixe um comentário",
];
const END_STARTS: &[&str] = &[
    "you might also",
    "you may also",
    "you might like",
    "das könnte dich auch",
    "das könnte ihnen auch",
    "vous aimerez aussi",
    "leave a reply",
];
/// Calls to subscribe, follow or accept, in one or two sentences.
fn is_call(bare: &str) -> bool {
    let begins = [
        "subscribe",
        "sign up",
        "sign-up",
        "signup",
        "join our",
        "join the newsletter",
        "get our",
        "get the latest",
        "don't miss",
        "register to",
        "register for",
        "follow us on",
        "support us",
        "become a member",
        "become a subscriber",
        "enter your email",
        "abonnez-vous",
        "inscrivez-vous",
        "s'abonner",
        "recevez notre",
        "rejoignez-nous",
        "abonnieren sie",
        "jetzt abonnieren",
        "melden sie sich",
        "newsletter abonnieren",
        "hier anmelden",
        "suscríbete",
        "suscribirse",
        "suscríbase",
        "regístrate",
        "recibe nuestro",
        "únete a",
        "iscriviti",
        "abbonati",
        "ricevi la",
        "assine",
        "inscreva-se",
        "receba nossa",
        "receba as notícias",
        "schrijf je in",
        "abonneer",
        "prenumerera",
        "zapisz się",
        "подпишитесь",
        "подписывайтесь",
        "abone ol",
    ]
    .iter()
    .any(|word| bare.strip_prefix(word).is_some_and(|rest| !rest.starts_with(char::is_alphanumeric)));
    let asks = [
        "newsletter",
        "subscribe",
        "sign up",
        "email",
        "e-mail",
        "inbox",
        "account",
        "updates",
        "news site",
        "channel",
        "follow",
        "free",
        "facebook",
        "telegram",
        "whatsapp",
        "lettre",
        "infolettre",
        "compte",
        "actualité",
        "konto",
        "postfach",
        "boletín",
        "correo",
        "cuenta",
        "noticias",
        "bollettino",
        "notizie",
        "boletim",
        "notícias",
        "conta",
        "nieuwsbrief",
        "member",
        "abonn",
        "канал",
        "рассылк",
        "bülten",
        "edition",
        "stories",
        "alerts",
        "offer",
        "digital",
        "login",
        "log in",
        "today",
    ]
    .iter()
    .any(|word| bare.contains(word));
    let is_cookie_note = bare.contains("cookie")
        && [
            "accept",
            "consent",
            "we use",
            "preferences",
            "accepter",
            "nous utilisons",
            "akzeptieren",
            "wir verwenden",
            "aceptar",
            "utilizamos",
            "accett",
            "utilizziamo",
            "aceitar",
            "usamos",
        ]
        .iter()
        .any(|word| bare.contains(word));
    // "Subscribe" alone, or as a button's few words.
    (begins && (asks || bare.split_whitespace().count() <= 4)) || is_cookie_note
}
/// "Facebook Twitter WhatsApp Email": only names of services.
fn is_share_bar(bare: &str) -> bool {
    let services = [
        "facebook",
        "twitter",
        "x",
        "whatsapp",
        "linkedin",
        "pinterest",
        "telegram",
        "reddit",
        "email",
        "e-mail",
        "mail",
        "print",
        "messenger",
        "tumblr",
        "share",
        "tweet",
        "pin",
        "copy",
        "link",
        "bluesky",
        "threads",
        "mastodon",
        "on",
        "via",
        "instagram",
        "teilen",
        "partager",
        "compartir",
        "flipboard",
        "pocket",
        "viber",
        "vk",
        "xing",
        "line",
        "drucken",
        "imprimer",
    ];
    let mut words =
        bare.split(|c: char| !c.is_alphanumeric() && c != '-').filter(|word| !word.is_empty()).peekable();
    words.peek().is_some() && words.all(|word| services.contains(&word))
}
/// Whether two lines are the same but for case, marks and white space.
pub fn says_the_same(a: &str, b: &str) -> bool {
    let plain = |text: &str| {
        text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect::<String>()
    };
    let (a, b) = (plain(a), plain(b));
    !a.is_empty() && a == b
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn furniture_is_told_from_the_story() {
        for line in [
            "Sharing articles",
            "Post author:",
            "Post author: Ann Lee",
            "• Post last modified:January 13, 2026",
            "Facebook Twitter WhatsApp",
            "Subscribe to trusted news sites like Example.com for continuous updates.",
            "Sign up for our newsletter",
            "Advertisement",
            "Lire aussi : La mer monte",
            "Newsletter abonnieren",
            "Suscríbete a nuestro boletín",
            "Beitrags-Autor: Ann",
            "Share this:",
            "We use cookies. Accept all",
            "Subscribe",
            "Temps de lecture : 3 min",
            "—",
        ] {
            assert_eq!(judge(line), Verdict::Furniture, "{line}");
        }
        for line in ["Related articles", "Leave a Reply", "Ähnliche Beiträge", "You might also like these"]
        {
            assert_eq!(judge(line), Verdict::End, "{line}");
        }
        for line in [
            "Share prices fell on Monday.",
            "Subscribers to the gas network pay more from May.",
            "Facebook was fined by Brussels.",
            "The ferry left the harbour at noon.",
            "Comments by the minister angered the unions.",
            "Print is dead, they said.",
            "“Follow the money,” she said.",
            "What “Help” Might Mean: Interpretations and Possibilities",
        ] {
            assert_eq!(judge(line), Verdict::Story, "{line}");
        }
    }
}
