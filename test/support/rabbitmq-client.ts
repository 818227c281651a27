/** What the tests of the queue on RabbitMQ do by the client alone. */
import { connect } from "amqplib";

/** A consumer takes the queue's first message and dies of it, so often. */
export async function dieOf(url: string, queue: string, times: number): Promise<void> {
  const connection = await connect(url);
  try {
    for (let n = 0; n < times; n++) {
      const channel = await connection.createChannel();
      await channel.prefetch(1);
      await new Promise((resolve, reject) => void channel.consume(queue, resolve).catch(reject));
      await channel.close();
    }
  } finally {
    await connection.close();
  }
}

/** Null where there is no such queue. */
export async function waitingIn(url: string, queue: string): Promise<number | null> {
  const connection = await connect(url);
  try {
    const channel = await connection.createChannel();
    channel.on("error", () => undefined);
    return (await channel.checkQueue(queue)).messageCount;
  } catch {
    return null;
  } finally {
    await connection.close();
  }
}
