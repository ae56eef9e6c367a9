//! Which model decides, which did before, and which one looks on.
//!
//! One record for the whole service: every tenant's tickets are read by the same model.

use serde::{Deserialize, Serialize};

use super::{digest::Digest, name::ModelName, time::Timestamp};

/// One model by its folder's name and the digest of its manifest: a folder that was trained anew is another version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ModelVersion {
    pub name: ModelName,
    pub digest: Digest,
}

/// A model that answers beside the one in force, and changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Shadow {
    pub version: ModelVersion,
    pub since: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Models {
    /// Version of this stored form.
    pub form: u32,
    /// `None` while nobody promoted one: the configuration's is in force.
    pub in_force: Option<ModelVersion>,
    /// Those in force before, the last one last: what a rollback takes.
    pub before: Vec<ModelVersion>,
    pub shadow: Option<Shadow>,
    /// Grows with every change; compare-and-set binds to it.
    pub revision: u64,
}

impl Models {
    pub const FORM: u32 = 1;
    /// As many past versions are kept.
    const MOST_BEFORE: usize = 20;

    /// Puts `next` in the place of `now`.
    #[must_use]
    pub fn promoted(mut self, now: ModelVersion, next: ModelVersion) -> Self {
        self.before.push(now);
        if self.before.len() > Self::MOST_BEFORE {
            self.before.remove(0);
        }
        self.decided_by(next)
    }

    /// Puts the one before back in force; `None` when there is none.
    #[must_use]
    pub fn rolled_back(mut self) -> Option<Self> {
        let last = self.before.pop()?;
        Some(self.decided_by(last))
    }

    /// A shadow that comes into force looks on no longer.
    fn decided_by(mut self, version: ModelVersion) -> Self {
        self.shadow = self.shadow.filter(|shadow| shadow.version != version);
        self.in_force = Some(version);
        self.revision += 1;
        self
    }
}

impl Default for Models {
    fn default() -> Self {
        Self { form: Self::FORM, in_force: None, before: Vec::new(), shadow: None, revision: 0 }
    }
}

/// What the model in force and its shadow said of one version of one ticket.
#[derive(Debug, Clone, PartialEq)]
pub struct ShadowAnswer {
    pub tenant: super::name::TenantId,
    pub ticket: super::id::TicketId,
    pub ticket_version: u64,
    /// The manifest of the shadow.
    pub shadow: Digest,
    /// The category in force; `None`: not sure.
    pub said: Option<String>,
    pub shadow_said: Option<String>,
    pub at: Timestamp,
}

/// How often the two said what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ShadowPair {
    pub said: Option<String>,
    pub shadow_said: Option<String>,
    pub tickets: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(name: &str) -> ModelVersion {
        ModelVersion { name: ModelName::new(name).unwrap(), digest: Digest::of(name.as_bytes()) }
    }

    #[test]
    fn a_rollback_takes_back_one_promotion_after_the_other() {
        let models = Models::default().promoted(version("a"), version("b")).promoted(version("b"), version("c"));
        let back = models.rolled_back().unwrap();
        assert_eq!(back.in_force, Some(version("b")));
        let first = back.rolled_back().unwrap();
        assert_eq!((first.in_force.clone(), first.revision), (Some(version("a")), 4));
        assert_eq!(first.rolled_back(), None);
    }

    #[test]
    fn a_shadow_that_comes_into_force_looks_on_no_longer_and_another_one_stays() {
        let shadow = |name| Some(Shadow { version: version(name), since: Timestamp::from_millis(0) });
        let looking = |name| Models { shadow: shadow(name), ..Models::default() };
        assert_eq!(looking("b").promoted(version("a"), version("b")).shadow, None);
        assert_eq!(looking("c").promoted(version("a"), version("b")).shadow, shadow("c"));
        let promoted = Models { shadow: shadow("a"), ..Models::default().promoted(version("a"), version("b")) };
        assert_eq!(promoted.rolled_back().unwrap().shadow, None);
    }
}
