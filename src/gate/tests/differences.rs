//! Two policy sets side by side.

use super::specimen::policies;
use crate::gate::diff::{What, differences};

#[test]
fn rules_are_matched_by_id_and_only_their_meaning_counts() {
    let before = policies(
        "@id(\"kept\") @reason(\"x\") permit (principal, action, resource) when { context.peak };\n\
         @id(\"worded\") @reason(\"before\") forbid (principal, action, resource) when { context.hour < 6 };\n\
         @id(\"narrowed\") @reason(\"x\") forbid (principal, action, resource) when { context.requester_vip };\n\
         @id(\"gone\") @reason(\"x\") forbid (principal, action, resource) when { context.priority == 1 };",
    );
    let after = policies(
        "// moved, with a comment\n@id(\"worded\") @reason(\"after\") forbid (principal, action, resource) when { context.hour < 6 };\n\
         @id(\"kept\")\n@reason(\"x\")\npermit (principal, action, resource)\nwhen { context.peak };\n\
         @id(\"narrowed\") @reason(\"y\") forbid (principal, action, resource) when { context.requester_vip && context.peak };\n\
         @id(\"new\") @reason(\"x\") forbid (principal, action, resource) when { context.priority == 2 };",
    );
    let found: Vec<_> = differences(&before, &after).into_iter().map(|difference| (difference.id, difference.what)).collect();
    let expected = [("gone", What::Removed), ("narrowed", What::Rule), ("new", What::Added), ("worded", What::Reason)];
    assert_eq!(found, expected.map(|(id, what)| (id.to_owned(), what)));
    assert_eq!(differences(&before, &before), []);
    let narrowed = differences(&before, &after).swap_remove(1);
    assert!(narrowed.after.unwrap().source.contains("context.requester_vip && context.peak"));
}
