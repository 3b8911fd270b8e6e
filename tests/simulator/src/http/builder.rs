//! Starting the servers.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex};

use tokio::net::TcpListener;
use tokio::sync::watch;

use super::accounting::Requests;
use super::admin::{self, Admin};
use super::faults::Rule;
use super::faults_in_force::Faults;
use super::latency::{Delay, Latency};
use super::listen::listen;
use super::operation::Service;
use super::server::{Shared, serve};
use super::sqs::Front;
use super::{Credentials, Simulator};
use crate::clock::Clock;
use crate::s3::S3;
use crate::sqs::Sqs;

/// What to start. Ports are on 127.0.0.1; port 0, the default, means any.
#[derive(Debug, Default)]
pub struct Builder {
    s3_port: u16,
    sqs_port: u16,
    admin_port: Option<u16>,
    clock: Clock,
    credentials: Option<Credentials>,
    rules: Vec<Rule>,
    delay: Delay,
    seed: u64,
    s3: S3,
    sqs: Sqs,
}

/// A port that could not be had.
#[derive(Debug)]
pub struct StartError {
    what: &'static str,
    port: u16,
    source: io::Error,
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, port, source } = self;
        write!(f, "cannot listen on port {port} for {what}: {source}")
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

impl Builder {
    /// The port of S3.
    #[must_use]
    pub fn s3_port(mut self, port: u16) -> Self {
        self.s3_port = port;
        self
    }

    /// The port of SQS.
    #[must_use]
    pub fn sqs_port(mut self, port: u16) -> Self {
        self.sqs_port = port;
        self
    }

    /// With the administration, on this port.
    #[must_use]
    pub fn admin_port(mut self, port: u16) -> Self {
        self.admin_port = Some(port);
        self
    }

    /// The clock to go by; the machine's, if not said.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// The key pair to insist on; anybody may do anything, if not said.
    #[must_use]
    pub fn auth(mut self, access_key: &str, secret_key: &str) -> Self {
        self.credentials = Some(Credentials {
            access_key: access_key.to_owned(),
            secret_key: secret_key.to_owned(),
        });
        self
    }

    /// A fault, from the start.
    #[must_use]
    pub fn fault(mut self, rule: Rule) -> Self {
        self.rules.push(rule);
        self
    }

    /// How long every request takes.
    #[must_use]
    pub fn latency(mut self, delay: Delay) -> Self {
        self.delay = delay;
        self
    }

    /// Where the pseudo-random numbers of the latency start.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// What S3 holds at the start.
    #[must_use]
    pub fn s3(mut self, model: S3) -> Self {
        self.s3 = model;
        self
    }

    /// What SQS holds at the start.
    #[must_use]
    pub fn sqs(mut self, model: Sqs) -> Self {
        self.sqs = model;
        self
    }

    /// Starts the servers on the current tokio runtime.
    ///
    /// # Errors
    ///
    /// A port is taken.
    pub async fn start(self) -> Result<Simulator, StartError> {
        let (s3_listener, s3_url) = bind("S3", self.s3_port).await?;
        let (sqs_listener, sqs_url) = bind("SQS", self.sqs_port).await?;
        let admin_listener = match self.admin_port {
            Some(port) => Some(bind("the administration", port).await?),
            None => None,
        };
        let s3 = Arc::new(Mutex::new(self.s3));
        let sqs = Arc::new(Mutex::new(self.sqs));
        let latency = Latency::new(self.seed);
        latency.set(self.delay);
        let faults = Faults::default();
        for rule in self.rules {
            faults.add(rule, self.clock.now());
        }
        let requests = Requests::default();
        let front = Front::new(
            Arc::clone(&sqs),
            self.clock.clone(),
            self.credentials.clone(),
        );
        let pair = self.credentials.map(|c| (c.access_key, c.secret_key));
        let shared = Arc::new(Shared {
            strip: pair.is_none(),
            clock: self.clock.clone(),
            faults: faults.clone(),
            requests: requests.clone(),
            latency: latency.clone(),
            s3: super::s3::service(Arc::clone(&s3), self.clock.clone(), pair),
            sqs: front,
        });
        let (stop, stopped) = watch::channel(false);
        for (listener, service) in [(s3_listener, Service::S3), (sqs_listener, Service::Sqs)] {
            let shared = Arc::clone(&shared);
            tokio::spawn(listen(listener, stopped.clone(), move |request, reset| {
                serve(Arc::clone(&shared), service, request, reset)
            }));
        }
        let mut admin_url = None;
        if let Some((listener, url)) = admin_listener {
            admin_url = Some(url);
            let admin = Arc::new(Admin {
                shared,
                s3: Arc::clone(&s3),
                sqs: Arc::clone(&sqs),
            });
            tokio::spawn(listen(listener, stopped, move |request, _| {
                admin::serve(Arc::clone(&admin), request)
            }));
        }
        Ok(Simulator {
            s3_url,
            sqs_url,
            admin_url,
            s3,
            sqs,
            clock: self.clock,
            faults,
            requests,
            latency,
            stop,
        })
    }
}

async fn bind(what: &'static str, port: u16) -> Result<(TcpListener, String), StartError> {
    let failed = |source| StartError { what, port, source };
    let listener = TcpListener::bind(("127.0.0.1", port))
        .await
        .map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, format!("http://{address}")))
}
