//! A client of the workers' stream: says what it wants, and hears frame by frame.

use botswain_proto::worker::worker_link_client::WorkerLinkClient;
use botswain_proto::worker::{Job, Reply, ServerMessage, Subscribe, WorkerMessage};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

/// One worker's stream.
pub struct Stream {
    say: mpsc::Sender<WorkerMessage>,
    hear: Streaming<ServerMessage>,
    last: u64,
    /// Jobs that came while something else was awaited.
    pub jobs: Vec<Job>,
}

/// A way to say something while another task hears.
pub type Said = mpsc::Sender<WorkerMessage>;

impl Stream {
    /// Opens a stream.
    ///
    /// # Errors
    /// Nobody serves there.
    pub async fn open(address: &str) -> anyhow::Result<Stream> {
        let channel = tonic::transport::Channel::from_shared(address.to_owned())?
            .tcp_nodelay(true)
            .connect()
            .await?;
        let mut client = WorkerLinkClient::new(channel).max_decoding_message_size(64 << 20);
        let (say, frames) = mpsc::channel(1024);
        let hear = client.work(ReceiverStream::new(frames)).await?.into_inner();
        Ok(Stream {
            say,
            hear,
            last: 0,
            jobs: Vec::new(),
        })
    }

    /// Asks for jobs of a type.
    ///
    /// # Errors
    /// The stream is over.
    pub async fn subscribe(
        &mut self,
        subscription: u32,
        job_type: &str,
        credits: u32,
        lease_ms: u64,
    ) -> anyhow::Result<()> {
        let wish = Subscribe {
            subscription,
            job_type: job_type.to_owned(),
            worker: "test".to_owned(),
            credits,
            lease_ms,
            fetch_variables: Vec::new(),
        };
        self.send(WorkerMessage {
            subscribe: vec![wish],
            ..WorkerMessage::default()
        })
        .await
    }

    /// A new number for a request.
    pub fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// Says something.
    ///
    /// # Errors
    /// The stream is over.
    pub async fn send(&self, message: WorkerMessage) -> anyhow::Result<()> {
        self.say
            .send(message)
            .await
            .map_err(|_| anyhow::anyhow!("the stream is over"))
    }

    /// A way to say something while the stream is being heard.
    #[must_use]
    pub fn sender(&self) -> Said {
        self.say.clone()
    }

    /// Hears the next frame; none when the stream is over.
    ///
    /// # Errors
    /// The stream broke.
    pub async fn next(&mut self) -> anyhow::Result<Option<ServerMessage>> {
        Ok(self.hear.message().await?)
    }

    /// Says something and waits for the reply to the request of that number.
    ///
    /// # Errors
    /// The stream broke.
    pub async fn ask(&mut self, number: u64, message: WorkerMessage) -> anyhow::Result<Reply> {
        self.send(message).await?;
        tokio::time::timeout(super::PATIENCE, async {
            while let Some(frame) = self.next().await? {
                self.jobs.extend(frame.jobs);
                if let Some(reply) = frame
                    .replies
                    .into_iter()
                    .find(|reply| reply.request_id == number)
                {
                    return Ok(reply);
                }
            }
            anyhow::bail!("the stream ended before the reply")
        })
        .await?
    }

    /// Waits for a job.
    ///
    /// # Errors
    /// The stream broke, or none came in time.
    pub async fn job(&mut self) -> anyhow::Result<Job> {
        tokio::time::timeout(super::PATIENCE, async {
            while self.jobs.is_empty() {
                match self.next().await? {
                    Some(frame) => self.jobs.extend(frame.jobs),
                    None => anyhow::bail!("the stream ended before a job came"),
                }
            }
            Ok(self.jobs.remove(0))
        })
        .await?
    }
}
