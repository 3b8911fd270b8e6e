//! What is wrong with the environment, before any request is made from it.

use std::path::{Path, PathBuf};

use aws_config::profile;
use aws_runtime::env_config::file::EnvConfigFiles;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_types::os_shim_internal::{Env, Fs};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

/// The environment is not usable as it is.
#[derive(Debug, thiserror::Error)]
pub enum EnvironmentError {
    /// A variable with white space or control characters at an end, as
    /// `echo` leaves them in a secret.
    #[error(
        "the variable {0} begins or ends with white space, or has a control character in it \
         (`echo` leaves a newline in a secret, `printf %s` does not): set it without"
    )]
    Variable(String),
    /// `AWS_PROFILE` names a profile that nobody defined.
    #[error(
        "AWS_PROFILE names the profile {named}, which is neither in ~/.aws/config nor in \
         ~/.aws/credentials, or where AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE say; they \
         have {}", listed(.known)
    )]
    Profile {
        /// The profile.
        named: String,
        /// Those that are defined.
        known: Vec<String>,
    },
    /// The profile files cannot be read.
    #[error("the AWS profile files cannot be read: {0}")]
    ProfileFiles(String),
    /// The bundle of certificates cannot be used.
    #[error("{origin} names {}: {problem}", .path.display())]
    Bundle {
        /// Where the path is from.
        origin: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
}

fn listed(known: &[String]) -> String {
    match known {
        [] => "none".to_owned(),
        known => known.join(", "),
    }
}

/// Variables that are one word, of which the SDK makes headers, URLs and paths.
const WORDS: [&str; 17] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_CA_BUNDLE",
    "AWS_CONFIG_FILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "AWS_ENDPOINT_URL_SQS",
    "AWS_PROFILE",
    "AWS_REGION",
    "AWS_ROLE_ARN",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "REBUCKET_QUEUE_URL",
];

/// Refuses variables that the SDK would panic at or misread.
pub(super) fn check_variables() -> Result<(), EnvironmentError> {
    let wrong = WORDS.iter().find(|name| {
        let value = std::env::var(name).unwrap_or_default();
        !is_clean(&value)
    });
    wrong.map_or(Ok(()), |name| {
        Err(EnvironmentError::Variable((*name).to_owned()))
    })
}

fn is_clean(value: &str) -> bool {
    value.trim() == value && !value.contains(|c: char| c.is_control())
}

/// What the profile in use says that the SDK does not read.
#[derive(Debug, Default)]
pub(super) struct ProfileSettings {
    bundle: Option<PathBuf>,
}

impl ProfileSettings {
    /// Reads the profile files.
    ///
    /// # Errors
    /// [`EnvironmentError`] for a profile that is named and not defined, and
    /// for files that cannot be read.
    pub(super) async fn read() -> Result<Self, EnvironmentError> {
        let files = EnvConfigFiles::default();
        let loaded = profile::load(&Fs::real(), &Env::real(), &files, None).await;
        let loaded =
            loaded.map_err(|error| EnvironmentError::ProfileFiles(super::causes(&error)))?;
        let named = std::env::var("AWS_PROFILE")
            .ok()
            .filter(|name| !name.is_empty());
        if let Some(named) = named
            && loaded.get_profile(&named).is_none()
        {
            let known = loaded.profiles().map(str::to_owned).collect();
            return Err(EnvironmentError::Profile { named, known });
        }
        let bundle = loaded.get("ca_bundle").map(PathBuf::from);
        Ok(Self { bundle })
    }

    /// The client for a bundle of certificates of one's own, where one is
    /// named. As with the AWS CLI, only what it has is trusted then.
    ///
    /// # Errors
    /// [`EnvironmentError::Bundle`] for a file without a certificate.
    pub(super) fn http_client(&self) -> Result<Option<SharedHttpClient>, EnvironmentError> {
        let variable = std::env::var_os("AWS_CA_BUNDLE").filter(|path| !path.is_empty());
        let (origin, path) = match (variable, &self.bundle) {
            (Some(path), _) => ("AWS_CA_BUNDLE", PathBuf::from(path)),
            (None, Some(path)) => ("the profile's ca_bundle", path.clone()),
            (None, None) => return Ok(None),
        };
        let wrong = |problem| EnvironmentError::Bundle {
            origin,
            path: path.clone(),
            problem,
        };
        let pem = read_bundle(&path).map_err(wrong)?;
        let trusted = TrustStore::empty().with_pem_certificate(pem);
        let context = TlsContext::builder().with_trust_store(trusted).build();
        let context = context.map_err(|error| wrong(super::causes(&error)))?;
        let client = aws_smithy_http_client::Builder::new()
            .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
            .tls_context(context);
        Ok(Some(client.build_https()))
    }
}

/// Reads a bundle, and makes sure of each certificate: the SDK panics at one
/// that it cannot use.
fn read_bundle(path: &Path) -> Result<Vec<u8>, String> {
    let pem = std::fs::read(path).map_err(|error| error.to_string())?;
    let mut roots = RootCertStore::empty();
    for (index, certificate) in CertificateDer::pem_slice_iter(&pem).enumerate() {
        let number = index + 1;
        let unusable = |error: &dyn std::fmt::Display| {
            format!("its certificate number {number} cannot be used: {error}")
        };
        let certificate = certificate.map_err(|error| unusable(&error))?;
        roots.add(certificate).map_err(|error| unusable(&error))?;
    }
    if roots.is_empty() {
        return Err("no certificate is in it; it has to be in PEM form".to_owned());
    }
    Ok(pem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_has_no_white_space_around_it() {
        for value in ["", "eu-west-1", "a b"] {
            assert!(is_clean(value), "{value:?}");
        }
        for value in ["eu-west-1\n", " x", "x\t", "a\nb", "x\u{a0}"] {
            assert!(!is_clean(value), "{value:?}");
        }
    }
}
