//! The servers that `make test` starts, and clients for them.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use aws_sdk_s3::config::{
    BehaviorVersion, Credentials, Region, RequestChecksumCalculation, ResponseChecksumValidation,
};
use rebucket_simulator::http::Simulator;
use tokio::process::Command;

/// Any region does; the servers sign for whichever they are asked in.
pub const REGION: &str = "us-east-1";

/// Where everything is, from the environment.
#[derive(Debug, Clone)]
pub struct Servers {
    /// SeaweedFS's URL.
    pub s3: String,
    /// MiniStack's URL.
    pub sqs: String,
    /// moto's URL.
    pub moto: String,
    /// The credentials that SeaweedFS checks.
    pub access_key: String,
    /// Their secret half.
    pub secret_key: String,
    /// The folder with the built programs.
    pub programs: PathBuf,
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set: these tests need the local servers; run them through make test")
    })
}

/// Where the built programs are: as the environment says, or else where cargo
/// puts them, one folder above the test.
fn programs() -> PathBuf {
    std::env::var_os("REBUCKET_TEST_BIN").map_or_else(
        || {
            let test = std::env::current_exe().expect("a test is a program");
            let folder = test.ancestors().nth(2).expect("target/PROFILE/deps/TEST");
            folder.to_owned()
        },
        PathBuf::from,
    )
}

impl Servers {
    /// Reads the environment.
    ///
    /// # Panics
    /// When it was not made by `scripts/with_servers.py`.
    #[must_use]
    pub fn from_env() -> Self {
        Self {
            s3: variable("REBUCKET_TEST_S3"),
            sqs: variable("REBUCKET_TEST_SQS"),
            moto: variable("REBUCKET_TEST_MOTO"),
            access_key: variable("REBUCKET_TEST_ACCESS_KEY"),
            secret_key: variable("REBUCKET_TEST_SECRET_KEY"),
            programs: variable("REBUCKET_TEST_BIN").into(),
        }
    }

    /// `rebucket` in a folder.
    #[must_use]
    pub fn rebucket(&self, folder: &Path, arguments: &str) -> Command {
        let mut command = self.program("rebucket");
        command
            .args(arguments.split_whitespace())
            .current_dir(folder);
        command
    }

    /// One of the built programs, which reaches these servers, in an environment
    /// with nothing of the tester's in it.
    #[must_use]
    pub fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.programs.join(name));
        command
            .env_clear()
            .env("AWS_ACCESS_KEY_ID", &self.access_key)
            .env("AWS_SECRET_ACCESS_KEY", &self.secret_key)
            .env("AWS_REGION", REGION)
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_ENDPOINT_URL_S3", &self.s3)
            .env("AWS_ENDPOINT_URL_SQS", &self.sqs);
        command
    }

    /// The servers of a simulator, which take any credentials.
    #[must_use]
    pub fn simulated(simulator: &Simulator) -> Self {
        let any = || "any".to_owned();
        Self {
            s3: simulator.s3_url().to_owned(),
            sqs: simulator.sqs_url().to_owned(),
            moto: simulator.s3_url().to_owned(),
            access_key: any(),
            secret_key: any(),
            programs: programs(),
        }
    }

    fn credentials(&self) -> Credentials {
        Credentials::new(&self.access_key, &self.secret_key, None, None, "test")
    }

    /// A client for the S3 server at `url`. It adds no checksum that it is not
    /// asked for, so that a test decides which objects have one.
    #[must_use]
    pub fn s3_client(&self, url: &str) -> aws_sdk_s3::Client {
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(REGION))
            .credentials_provider(self.credentials())
            .endpoint_url(url)
            .force_path_style(true)
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            .build();
        aws_sdk_s3::Client::from_conf(config)
    }

    /// A client for MiniStack.
    #[must_use]
    pub fn sqs_client(&self) -> aws_sdk_sqs::Client {
        let config = aws_sdk_sqs::Config::builder()
            .behavior_version(aws_sdk_sqs::config::BehaviorVersion::latest())
            .region(Region::new(REGION))
            .credentials_provider(self.credentials())
            .endpoint_url(&self.sqs)
            .build();
        aws_sdk_sqs::Client::from_conf(config)
    }
}

/// A name that nothing else on the servers has: they are shared by all tests.
#[must_use]
pub fn unique(name: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("{name}-{}-{number}", std::process::id())
}
