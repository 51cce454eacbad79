//! Who signs in, and what they may.

use super::address::EmailAddress;

/// What somebody may: each role may what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Looks at everything of a newsletter but its readers' addresses.
    Viewer,
    /// Composes, approves and sends.
    Editor,
    /// Manages readers, settings and users.
    Admin,
}

impl Role {
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Editor, Self::Admin];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Editor => "editor",
            Self::Admin => "admin",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }
}

/// Somebody who signs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub id: i64,
    pub email: EmailAddress,
    /// May be empty.
    pub name: String,
    /// What they may for every newsletter.
    pub role: Option<Role>,
    /// What they may for some, by the newsletter's id; the greater of both counts.
    pub newsletters: Vec<(i64, Role)>,
}

impl User {
    /// Whether they may what `role` may, for that newsletter.
    pub fn may(&self, role: Role, newsletter_id: i64) -> bool {
        let own = self.newsletters.iter().find(|(id, _)| *id == newsletter_id).map(|(_, role)| *role);
        self.role.max(own) >= Some(role)
    }

    /// Whether they may what `role` may for every newsletter, and for what belongs to none.
    pub fn may_everywhere(&self, role: Role) -> bool {
        self.role >= Some(role)
    }

    /// Whether they may what `role` may for any newsletter at all.
    pub fn may_somewhere(&self, role: Role) -> bool {
        self.may_everywhere(role) || self.newsletters.iter().any(|(_, own)| *own >= role)
    }

    /// The name, or the address where there is none.
    pub fn shown(&self) -> &str {
        if self.name.is_empty() { self.email.as_str() } else { &self.name }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(role: Option<Role>, newsletters: &[(i64, Role)]) -> User {
        let email = EmailAddress::parse("ann@example.org").unwrap();
        User { id: 1, email, name: String::new(), role, newsletters: newsletters.to_vec() }
    }

    #[test]
    fn the_greater_of_the_role_for_all_and_the_role_for_one_counts() {
        let ann = user(Some(Role::Viewer), &[(7, Role::Editor), (8, Role::Viewer)]);
        assert!(ann.may(Role::Editor, 7) && !ann.may(Role::Admin, 7));
        assert!(ann.may(Role::Viewer, 9) && !ann.may(Role::Editor, 8));
        assert!(ann.may_somewhere(Role::Editor) && !ann.may_everywhere(Role::Editor));
    }

    #[test]
    fn without_a_role_nothing_is_allowed_but_where_one_is_given() {
        let ben = user(None, &[(7, Role::Viewer)]);
        assert!(ben.may(Role::Viewer, 7) && !ben.may(Role::Viewer, 8) && !ben.may_everywhere(Role::Viewer));
        assert!(!user(None, &[]).may_somewhere(Role::Viewer));
    }
}
