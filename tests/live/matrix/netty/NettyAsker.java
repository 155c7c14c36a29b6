import io.netty.bootstrap.Bootstrap;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.SimpleChannelInboundHandler;
import io.netty.channel.nio.NioEventLoopGroup;
import io.netty.channel.socket.SocketChannel;
import io.netty.channel.socket.nio.NioSocketChannel;
import io.netty.handler.codec.http.DefaultFullHttpRequest;
import io.netty.handler.codec.http.DefaultHttpContent;
import io.netty.handler.codec.http.DefaultHttpRequest;
import io.netty.handler.codec.http.FullHttpResponse;
import io.netty.handler.codec.http.HttpClientCodec;
import io.netty.handler.codec.http.HttpMethod;
import io.netty.handler.codec.http.HttpObjectAggregator;
import io.netty.handler.codec.http.HttpRequest;
import io.netty.handler.codec.http.HttpUtil;
import io.netty.handler.codec.http.HttpVersion;
import io.netty.handler.codec.http.LastHttpContent;
import io.netty.handler.ssl.SslContext;
import io.netty.handler.ssl.SslContextBuilder;
import io.netty.handler.ssl.SslProvider;
import io.netty.util.AttributeKey;
import java.io.File;
import java.net.URI;
import java.util.Queue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/** Asks what standard input says with netty over BoringSSL, as Asker does: URL, certificate, threads; connections are kept. */
public class NettyAsker {
    private static final AttributeKey<BlockingQueue<Boolean>> ANSWERS = AttributeKey.valueOf("answers");
    private static final int PIECE = 9973;
    private static final Queue<Channel> IDLE = new ConcurrentLinkedQueue<>();

    public static void main(String[] arguments) throws Exception {
        URI server = URI.create(arguments[0]);
        SslContext tls = SslContextBuilder.forClient().sslProvider(SslProvider.OPENSSL).trustManager(new File(arguments[1])).build();
        Bootstrap connecting = new Bootstrap().group(new NioEventLoopGroup(4)).channel(NioSocketChannel.class)
                .remoteAddress(server.getHost(), server.getPort()).handler(new ChannelInitializer<SocketChannel>() {
                    @Override
                    protected void initChannel(SocketChannel channel) {
                        channel.attr(ANSWERS).set(new LinkedBlockingQueue<>());
                        channel.pipeline().addLast(tls.newHandler(channel.alloc()), new HttpClientCodec(),
                                new HttpObjectAggregator(1 << 20), new Answers());
                    }
                });
        Asker.run(Integer.parseInt(arguments[2]), (ask, body) -> ask(connecting, server, ask, body));
        System.exit(0);
    }

    private static void ask(Bootstrap connecting, URI server, String[] ask, byte[] body) throws Exception {
        Channel idle = IDLE.poll();
        Channel channel = idle == null ? connecting.connect().sync().channel() : idle;
        HttpMethod method = HttpMethod.valueOf(ask[1]);
        boolean isChunked = body != null && ask[4].equals("1");
        HttpRequest request = isChunked ? new DefaultHttpRequest(HttpVersion.HTTP_1_1, method, ask[2])
                : new DefaultFullHttpRequest(HttpVersion.HTTP_1_1, method, ask[2], Unpooled.wrappedBuffer(body == null ? new byte[0] : body));
        request.headers().set("Host", server.getAuthority());
        for (int i = 5; i < ask.length; i++) {
            request.headers().add(ask[i].split(": ", 2)[0], ask[i].split(": ", 2)[1]);
        }
        if (isChunked) {
            HttpUtil.setTransferEncodingChunked(request, true);
            channel.write(request);
            for (int at = 0; at < body.length; at += PIECE) {
                channel.write(new DefaultHttpContent(Unpooled.wrappedBuffer(body, at, Math.min(PIECE, body.length - at))));
            }
            channel.writeAndFlush(LastHttpContent.EMPTY_LAST_CONTENT);
        } else {
            if (body != null) {
                HttpUtil.setContentLength(request, body.length);
            }
            channel.writeAndFlush(request);
        }
        Boolean isKept = channel.attr(ANSWERS).get().poll(60, TimeUnit.SECONDS);
        if (isKept == null) {
            throw new IllegalStateException("no answer to " + ask[0]);
        }
        if (isKept) {
            IDLE.add(channel);
        } else {
            channel.close();
        }
    }

    /** Tells of each answer whether its connection can be kept. */
    private static final class Answers extends SimpleChannelInboundHandler<FullHttpResponse> {
        @Override
        protected void channelRead0(ChannelHandlerContext context, FullHttpResponse response) {
            context.channel().attr(ANSWERS).get().add(HttpUtil.isKeepAlive(response));
        }
    }
}
