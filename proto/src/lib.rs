//! What crosses a wire, and nothing else.

pub mod limits;

/// Messages and services between agents and the coordinator, as generated from `agent.proto`.
pub mod agent {
    #![allow(clippy::all, reason = "generated code")]
    tonic::include_proto!("botswain.agent.v1");
}

/// Messages and services between programs and the coordinator, as generated from `worker.proto`.
pub mod worker {
    #![allow(clippy::all, reason = "generated code")]
    tonic::include_proto!("botswain.worker.v1");
}
