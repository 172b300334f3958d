//! Functions of people, held against the fields that they are called for.

use super::builder::{Planner, Which};
use crate::ctype::Field;
use crate::overrides::{Function, OverrideProblem, Seen};

impl Planner<'_> {
    /// Whether a function of people can be given the old fields `names` and make `field`, as far as
    /// its declaration shows.
    pub(super) fn declared_for(
        &self,
        function: &Function,
        names: &[String],
        field: &Field,
        old: &[Field],
    ) -> Result<(), OverrideProblem> {
        let Some(signature) = &function.signature else {
            return Ok(());
        };
        let seen = |which: Which, field: &Field| match field.bit_field {
            true => Seen::Unknown,
            false => Seen::in_views(self.layout(which), field.ty),
        };
        let made = [(seen(Which::New, field), &signature.result, None)];
        let given = names.iter().zip(&signature.given).map(|(name, found)| {
            let field = old.iter().find(|old| old.name == *name);
            let wanted = field.map_or(Seen::Unknown, |field| seen(Which::Old, field));
            (wanted, found, Some(name))
        });
        let mut all = given.chain(made);
        match all.find(|(wanted, found, _)| !wanted.allows(found)) {
            None => Ok(()),
            Some((wanted, found, argument)) => Err(OverrideProblem::WrongTypes {
                name: function.name.clone(),
                file: signature.file.clone(),
                expected: match argument {
                    None => format!("{wanted} made of it"),
                    Some(name) => format!("{wanted} for `{name}`"),
                },
                found: found.to_string(),
            }),
        }
    }
}
