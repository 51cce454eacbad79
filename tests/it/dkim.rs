//! DKIM signatures checked by hand (RFC 6376 §6.1), by no code of the signer's.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ED25519, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A `tag=value; …` list.
fn tag(list: &str, name: &str) -> String {
    let tags = list.split(';').filter_map(|tag| tag.trim().split_once('='));
    let mut found = tags.filter(|(tag, _)| tag.trim() == name).map(|(_, value)| value);
    let value = found.next().unwrap_or_else(|| panic!("no {name}= in {list}"));
    value.chars().filter(|sign| !sign.is_whitespace()).collect()
}

/// The fields that a signature covers, in lower case.
pub fn covered(signature: &str) -> Vec<String> {
    tag(signature, "h").split(':').map(str::to_lowercase).collect()
}

/// Checks one signature of a message with the TXT record of its key.
pub fn check(message: &[u8], signature: &str, record: &str) {
    let message = std::str::from_utf8(message).expect("the message is ASCII");
    let (head, body) = message.split_once("\r\n\r\n").unwrap();
    assert_eq!(tag(signature, "c"), "relaxed/relaxed");
    let hashed = STANDARD.encode(digest(&SHA256, relaxed_body(body).as_bytes()));
    assert_eq!(tag(signature, "bh"), hashed, "the body's hash");

    let mut fields: Vec<(String, String)> = unfolded(head);
    let mut signed = String::new();
    for name in covered(signature) {
        // From the last one up, where a field stands there more than once (§5.4.2).
        if let Some(at) = fields.iter().rposition(|(field, _)| *field == name) {
            let (field, value) = fields.remove(at);
            signed.push_str(&format!("{field}:{value}\r\n"));
        }
    }
    let own = unfolded(&format!("DKIM-Signature: {signature}")).remove(0).1;
    let start = own.find("b=").filter(|at| !own[..*at].ends_with('b')).unwrap();
    let start = if own[start..].starts_with("b=") { start + 2 } else { start };
    let end = own[start..].find(';').map_or(own.len(), |end| start + end);
    signed.push_str(&format!("dkim-signature:{}{}", &own[..start], &own[end..]));

    let given = STANDARD.decode(tag(signature, "b")).unwrap();
    let key = STANDARD.decode(tag(record, "p")).unwrap();
    let result = match tag(signature, "a").as_str() {
        "rsa-sha256" => {
            assert!(key.len() > 2048 / 8, "a key of at least 2,048 bits");
            UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key).verify(signed.as_bytes(), &given)
        }
        "ed25519-sha256" => {
            UnparsedPublicKey::new(&ED25519, key).verify(digest(&SHA256, signed.as_bytes()).as_ref(), &given)
        }
        other => panic!("{other} is not an algorithm that receivers check"),
    };
    result.unwrap_or_else(|_| panic!("the signature is wrong: {signature}\nover:\n{signed}"));
}

/// §3.4.2: names in lower case, unfolded, white space reduced.
fn unfolded(head: &str) -> Vec<(String, String)> {
    let head = head.replace("\r\n ", " ").replace("\r\n\t", " ");
    let field = |line: &str| {
        let (name, value) = line.split_once(':').unwrap();
        (name.trim().to_lowercase(), value.split_whitespace().collect::<Vec<_>>().join(" "))
    };
    head.split("\r\n").map(field).collect()
}

/// §3.4.4: white space reduced, none at the end of lines, no empty lines at the end.
fn relaxed_body(body: &str) -> String {
    let relaxed = |line: &str| {
        let mut out = String::new();
        let mut white = false;
        for sign in line.chars() {
            match sign {
                ' ' | '\t' => white = true,
                _ => {
                    out.push_str(if white { " " } else { "" });
                    out.push(sign);
                    white = false;
                }
            }
        }
        out
    };
    let mut lines: Vec<String> = body.split("\r\n").map(relaxed).collect();
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines.iter().map(|line| format!("{line}\r\n")).collect()
}
