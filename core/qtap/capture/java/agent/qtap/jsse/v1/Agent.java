package qtap.jsse.v1;

import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.lang.instrument.Instrumentation;
import java.nio.charset.StandardCharsets;

/**
 * Tells what passes through JSSE for as long as somebody looks.
 *
 * <p>Who looks holds a pipe open. Its end, by whatever death, ends the redirections with the last of those who look.
 */
public final class Agent {
    private static Hooks hooks;
    private static int lookers;

    private Agent() {}

    /** {@code prefix}: the path of the pipe up to its suffix, and of the file that the outcome is written to. */
    public static void agentmain(String prefix, Instrumentation jvm) throws IOException {
        String outcome = "ok";
        FileInputStream pipe = null;
        try {
            pipe = new FileInputStream(prefix + ".pipe");
            begin(jvm);
            watch(pipe);
        } catch (Throwable e) {
            outcome = e.toString();
            if (pipe != null) {
                pipe.close();
            }
        }
        try (FileOutputStream answer = new FileOutputStream(prefix + ".answer")) {
            answer.write(outcome.getBytes(StandardCharsets.UTF_8));
        }
    }

    private static synchronized void begin(Instrumentation jvm) throws Throwable {
        if (hooks == null) {
            hooks = new Hooks(jvm);
        }
        if (lookers == 0) {
            hooks.set();
        }
        lookers++;
    }

    private static synchronized void end() throws Exception {
        lookers--;
        if (lookers == 0) {
            hooks.remove();
        }
    }

    private static void watch(FileInputStream pipe) {
        Thread thread = new Thread(null, () -> {
            try (FileInputStream open = pipe) {
                while (open.read() >= 0) {
                    continue; // nobody writes
                }
            } catch (IOException e) {
                // as good as its end
            }
            try {
                end();
            } catch (Exception e) {
                // nothing is told any more in any case
            }
        }, "qtap-jsse", 1 << 18);
        thread.setDaemon(true);
        thread.start();
    }
}
