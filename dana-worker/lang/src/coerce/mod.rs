//! Values made to fit a type: annotations of assignments, struct fields, operands of comparisons.
//!
//! Parameter and return annotations never come here: Dana does not enforce them.

mod annotation;
mod comparison;
mod field;
mod json;

pub use annotation::{assign, basic};
pub use comparison::comparable;
pub use field::{assign_field, construct, fits};
pub use json::{Unreadable, value_in, value_of};

#[cfg(test)]
mod tests;
