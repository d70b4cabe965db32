//! The Dana language.
