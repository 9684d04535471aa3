//! The API over real sockets, before a cluster whose answers are written down here, and before the real one.

mod access;
mod cluster;
mod contract;
mod events;
mod limits;
mod malformed;
mod routes;
mod script;
mod stage;
mod tls;
mod vitals;
