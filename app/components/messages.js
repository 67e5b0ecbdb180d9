// Every answer is heard.
//
// Gradio's server ends its stream of messages when a session has nothing pending, and the page asks for another with its
// next request. What is asked before the page has heard of the end is told on a stream that nobody reads, so it is never
// answered. Here the page reads one stream that does not end, and the server's are read one after the other for as long
// as anything is pending.
{
  const fetch = window.fetch.bind(window);
  const pending = new Set();
  const early = new Set();  // answered before the page was told their names
  let page = null;  // what the page reads
  let request = null;  // asks the server for its messages
  let listening = false;

  function asked(event) {
    if (early.delete(event)) return;
    pending.add(event);
    if (page && !listening) listen();
  }

  // Hands one message on; true for the server's last.
  function hand(block) {
    const data = block.startsWith('data:') ? JSON.parse(block.slice('data:'.length)) : {};
    if (data.msg === 'close_stream') return true;
    if (data.msg === 'process_completed' && !pending.delete(data.event_id)) early.add(data.event_id);
    page.enqueue(new TextEncoder().encode(`${block}\n\n`));
    return false;
  }

  async function listen() {
    listening = true;
    let last = false;
    try {
      const {ok, status, body} = await fetch(request);
      if (!ok) throw new Error(`the server answered ${status}`);
      const reader = body.pipeThrough(new TextDecoderStream()).getReader();
      for (let text = '', part = await reader.read(); !part.done; part = await reader.read()) {
        const blocks = (text + part.value).split('\n\n');
        text = blocks.pop();
        for (const block of blocks) last = hand(block) || last;
      }
      if (!last) throw new Error('the connection was cut');
    } catch (error) {
      page?.error(error);  // Gradio says that the connection is lost
      page = null;
    }
    listening = false;
    if (page && pending.size) listen();
  }

  window.fetch = async (input, options) => {
    const url = new URL(input.url ?? input, location.href);
    if (url.pathname.endsWith('/queue/data')) {
      const stream = new ReadableStream({start(controller) { page = controller; }});
      request = new Request(input, {...options, signal: null});  // Gradio ends it, and means its own stream
      if (!listening) listen();
      return new Response(stream, {headers: {'Content-Type': 'text/event-stream'}});
    }
    const answer = await fetch(input, options);
    if (answer.ok && url.pathname.endsWith('/queue/join')) asked((await answer.clone().json()).event_id);
    return answer;
  };
}
