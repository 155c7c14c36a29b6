// node http2.mjs URL IDENT COUNT: asks over one connection, all at once in groups of eight, POST and GET in turn.
import http2 from "node:http2";

const [url, ident, count] = process.argv.slice(2);
const session = http2.connect(url);

function ask(number) {
  return new Promise((resolve, reject) => {
    const id = `${ident}-${number}`;
    const isPost = number % 2 === 1;
    const stream = session.request({
      ":method": isPost ? "POST" : "GET",
      ":path": `/node/${number}?size=${(number * 997) % 30000}`,
      "x-id": id,
      cookie: ["a=1", `b=${number}`],
    });
    stream.on("error", reject);
    stream.on("end", resolve);
    stream.resume();
    stream.end(isPost ? id.repeat(50) : undefined);
  });
}

for (let begin = 0; begin < Number(count); begin += 8) {
  const group = [];
  for (let number = begin; number < Math.min(begin + 8, Number(count)); number++) group.push(ask(number));
  await Promise.all(group);
}
session.close();
