//! What no page shows: what is kept, and what it costs.

use super::password::{NOBODYS, is_hash_of};
use super::*;
use crate::domain::address::EmailAddress;
use crate::domain::user::Role;
use crate::pipeline::testing::apps;
use argon2::password_hash::phc::PasswordHash;

#[tokio::test]
async fn an_unknown_address_costs_the_same_work_as_a_known_one() {
    let parameters = |hash: &str| {
        let hash = PasswordHash::new(hash).expect("it is read, or nothing would be computed");
        let length = hash.hash.expect("it has a value to compare with").as_ref().len();
        (hash.algorithm.to_string(), hash.version, hash.params.to_string(), length)
    };
    let real = hash_password("a sentence is easy").await.unwrap();
    assert_eq!(parameters(NOBODYS), parameters(&real));
    assert!(is_hash_of(&real, "a sentence is easy") && !is_hash_of(&real, "a sentence is hard"));
    for guess in ["", "nobody", "a sentence is easy"] {
        assert!(!is_password(None, guess).await.unwrap());
    }
}

#[tokio::test]
async fn a_password_is_neither_short_nor_endless() {
    assert!(hash_password("ninechars").await.unwrap_err().to_string().contains("at least 10 characters"));
    assert!(hash_password(&"long ".repeat(300)).await.unwrap_err().to_string().contains("1024 bytes"));
    assert!(hash_password("åäöåäöåäöå").await.is_ok());
}

#[tokio::test]
async fn nothing_that_is_kept_signs_anybody_in() {
    for test in apps().await {
        let app = &test.app;
        let email = EmailAddress::parse("ann@example.org").unwrap();
        let id = add(app, &email, "Ann", Some(Role::Admin)).await.unwrap();
        let cookie = start_session(app, id, "a test", "192.0.2.1").await.unwrap();
        let (_, session) = of_cookie(app, &cookie).await.unwrap().unwrap();
        assert!(!session.hash.contains(&cookie) && of_cookie(app, &session.hash).await.unwrap().is_none());
        let link = sign_in_link(app, id, 60_000).await.unwrap();
        let secret = link.rsplit('/').next().unwrap();
        assert!(peek_link(app, secret).await.unwrap());
        assert!(!peek_link(app, &hash_of(secret)).await.unwrap());
    }
}
