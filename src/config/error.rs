//! What is wrong with a configuration, and where.

/// A configuration that will never work as asked.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {message}")]
pub struct ConfigError {
    place: String,
    message: String,
}

impl ConfigError {
    pub(super) fn at(place: &str, message: String) -> ConfigError {
        ConfigError { place: place.to_owned(), message }
    }
}
