import io.netty.bootstrap.ServerBootstrap;
import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.SimpleChannelInboundHandler;
import io.netty.channel.epoll.EpollEventLoopGroup;
import io.netty.channel.epoll.EpollServerSocketChannel;
import io.netty.channel.socket.SocketChannel;
import io.netty.handler.codec.http.DefaultFullHttpResponse;
import io.netty.handler.codec.http.DefaultHttpContent;
import io.netty.handler.codec.http.DefaultHttpResponse;
import io.netty.handler.codec.http.HttpContent;
import io.netty.handler.codec.http.HttpMessage;
import io.netty.handler.codec.http.HttpObject;
import io.netty.handler.codec.http.HttpRequest;
import io.netty.handler.codec.http.HttpResponse;
import io.netty.handler.codec.http.HttpResponseStatus;
import io.netty.handler.codec.http.HttpServerCodec;
import io.netty.handler.codec.http.HttpUtil;
import io.netty.handler.codec.http.HttpVersion;
import io.netty.handler.codec.http.LastHttpContent;
import io.netty.handler.codec.http.QueryStringDecoder;
import io.netty.handler.ssl.SslContext;
import io.netty.handler.ssl.SslContextBuilder;
import io.netty.handler.ssl.SslProvider;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.net.InetSocketAddress;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;

/** Answers with netty over BoringSSL and epoll as Answerer does, and writes down the same: certificate, file with its key. */
public class NettyAnswerer {
    private static final int PIECE = 9973;
    private static final Queue<String> RECORD = new ConcurrentLinkedQueue<>();

    public static void main(String[] arguments) throws Exception {
        SslContext tls = SslContextBuilder.forServer(new File(arguments[0]), new File(arguments[1])).sslProvider(SslProvider.OPENSSL).build();
        Channel listening = new ServerBootstrap().group(new EpollEventLoopGroup(4)).channel(EpollServerSocketChannel.class)
                .childHandler(new ChannelInitializer<SocketChannel>() {
                    @Override
                    protected void initChannel(SocketChannel channel) {
                        channel.pipeline().addLast(tls.newHandler(channel.alloc()), new HttpServerCodec(), new Answering());
                    }
                }).bind("127.0.0.1", 0).sync().channel();
        System.out.println(((InetSocketAddress) listening.localAddress()).getPort());
        while (System.in.read() >= 0) {
            continue; // the end of input ends us
        }
        RECORD.forEach(System.out::println);
        System.exit(0);
    }

    private static final class Answering extends SimpleChannelInboundHandler<HttpObject> {
        private final ByteArrayOutputStream body = new ByteArrayOutputStream();
        private HttpRequest request;

        @Override
        protected void channelRead0(ChannelHandlerContext context, HttpObject part) throws Exception {
            if (part instanceof HttpRequest) {
                request = (HttpRequest) part;
                body.reset();
            }
            if (part instanceof HttpContent) {
                body.write(ByteBufUtil.getBytes(((HttpContent) part).content()));
            }
            if (part instanceof LastHttpContent) {
                answer(context, body.toByteArray());
            }
        }

        private void answer(ChannelHandlerContext context, byte[] body) throws Exception {
            String id = request.headers().get("X-Id");
            String query = new QueryStringDecoder(request.uri()).rawQuery();
            String size = Answerer.asked(query, "size");
            String status = Answerer.asked(query, "status");
            byte[] answer = size == null ? body : Asker.bodyFor("answer " + id, Integer.parseInt(size));
            boolean isHead = request.method().name().equals("HEAD");
            boolean isChunked = "1".equals(Answerer.asked(query, "chunked"));
            HttpResponseStatus code = HttpResponseStatus.valueOf(status == null ? 200 : Integer.parseInt(status));
            HttpResponse response = isChunked ? new DefaultHttpResponse(HttpVersion.HTTP_1_1, code)
                    : new DefaultFullHttpResponse(HttpVersion.HTTP_1_1, code, Unpooled.wrappedBuffer(isHead ? new byte[0] : answer));
            int port = ((InetSocketAddress) context.channel().remoteAddress()).getPort();
            response.headers().add("X-Id", id).add("x-PEER-port", port).add("Set-Cookie", "one=" + id + "; Path=/")
                    .add("set-cookie", "two=2, still two");
            if (isChunked) {
                HttpUtil.setTransferEncodingChunked(response, true);
            } else {
                HttpUtil.setContentLength(response, answer.length);
            }
            StringBuilder line = new StringBuilder(id + "\t" + port + "\t" + request.method() + "\t" + request.uri() + "\t"
                    + Answerer.digest(body) + "\t" + code.code() + "\t" + Answerer.digest(isHead ? new byte[0] : answer));
            add(line, "\t>", request);
            add(line, "\t", response);
            RECORD.add(line.toString());
            context.write(response);
            for (int at = 0; isChunked && !isHead && at < answer.length; at += PIECE) {
                context.write(new DefaultHttpContent(Unpooled.wrappedBuffer(answer, at, Math.min(PIECE, answer.length - at))));
            }
            if (isChunked) {
                context.write(LastHttpContent.EMPTY_LAST_CONTENT);
            }
            context.flush();
        }
    }

    private static void add(StringBuilder line, String mark, HttpMessage message) {
        message.headers().forEach(header -> line.append(mark).append(header.getKey()).append(": ").append(header.getValue()));
    }
}
