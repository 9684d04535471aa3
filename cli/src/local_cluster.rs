//! A cluster on this machine for one run: a controller in this process, and worker processes beside it.
//!
//! It is the same controller, the same workers and the same way between them as on many machines, under an authority
//! that lives as long as the run.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use controller::observe::Telemetry;
use net::identity::Fingerprint;
use net::join_token::JoinGrant;
use net::tls::{Authorities, Trust};
use units::Nanos;

use crate::app::Process;
use crate::crew::{Crew, CrewOptions};
use crate::execute::Attention;
use crate::failure::Failure;
use crate::hosted::{Hosted, HostedOptions};
use crate::metrics_page::announce;
use crate::remote::{Client, Connector};
use crate::secrets;
use crate::state::{self, ControllerState};

/// A cluster on this machine for one run; ended when dropped.
pub(crate) struct LocalCluster {
    // In the order in which they go: workers say farewell to the controller, which needs its folder.
    crew: Crew,
    hosted: Hosted,
    folder: Temporary,
}

impl LocalCluster {
    /// Starts a controller, which shows its numbers at `listen`, and `workers` worker processes, which hand out `secrets` and
    /// show their own numbers each at a free port, if the controller does.
    ///
    /// # Errors
    /// When something of it cannot be started; the rest is ended.
    pub(crate) fn start(
        process: &Process,
        workers: u32,
        secrets: BTreeSet<String>,
        telemetry: Telemetry,
        listen: Option<SocketAddr>,
        attention: &Attention,
    ) -> Result<Self, Failure> {
        let folder = Temporary::create().context("cannot make a folder for the cluster's keys")?;
        attention.remove_on_leaving(&folder.0);
        let state_folder = folder.0.join("controller");
        let state = ControllerState::open(&state_folder).map_err(anyhow::Error::from)?;
        let authority: Fingerprint = state.authority.fingerprint();
        let probe = listen.map(|address| (address, "--listen"));
        let options = HostedOptions::on_loopback(state, state_folder.clone(), telemetry);
        let hosted = Hosted::start(HostedOptions { probe, ..options })?;
        if let Some(address) = hosted.probe() {
            announce(&process.console, address);
        }
        let grant = JoinGrant { uses: workers, validity: JOINING, workers: None };
        let (_, token) = state::make_join_token(&state_folder, grant).map_err(anyhow::Error::from)?;
        let options = CrewOptions {
            join: format!("https://{}", hosted.workers()),
            token,
            authority,
            secrets,
            state: folder.0.clone(),
            log_format: process.log_format,
            is_shown: listen.is_some(),
        };
        let crew =
            Crew::start(workers, &options, &process.console).context("cannot start a worker process")?;
        Ok(Self { crew, hosted, folder })
    }

    /// Asks the controller as its administrator.
    pub(crate) fn client(&self) -> Result<Client, Failure> {
        let state = self.folder.0.join("controller");
        let token = secrets::read_token(&state.join(state::ADMIN_TOKEN)).map_err(anyhow::Error::from)?;
        let pem = secrets::read_certificate(&state.join(state::AUTHORITY_CERTIFICATE));
        let authorities =
            Authorities::from_pem(&pem.map_err(anyhow::Error::from)?).map_err(anyhow::Error::from)?;
        let endpoint = format!("https://{}", self.hosted.api()).parse().map_err(anyhow::Error::from)?;
        Ok(Client::new(Connector::new(endpoint, Some(Trust::Authorities(authorities)), Some(&token))?))
    }

    /// Ends all of it, the workers first.
    pub(crate) fn end(self) {
        let Self { crew, hosted, folder } = self;
        crew.end();
        hosted.end();
        drop(folder);
    }
}

/// A folder of nobody else, removed with all it holds when dropped.
#[derive(Debug)]
struct Temporary(PathBuf);

impl Temporary {
    fn create() -> io::Result<Self> {
        let name = format!("loadgen-{}", uuid::Uuid::new_v4().simple());
        let path = std::env::temp_dir().join(name);
        // A folder that is there already is somebody else's: an error.
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        remove(&self.0);
    }
}

fn remove(folder: &Path) {
    if let Err(error) = fs::remove_dir_all(folder) {
        tracing::warn!("cannot remove {}: {error}", folder.display());
    }
}

/// More than workers take to start on a busy machine.
const JOINING: Nanos = Nanos::from_secs(300);
