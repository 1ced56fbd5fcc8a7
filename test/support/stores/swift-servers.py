"""Real Swift's four servers from one process: python3 swift-servers.py FOLDER ACCOUNT_PORT CONTAINER_PORT OBJECT_PORT [heads-tell-length]

The folder holds swift.conf and NAME-server.conf; the rings are built there. What the servers do is Swift's own: here
they are only started, without /etc/swift, without waiting for the disk, and with the imports paid for once.
"""
import ctypes
import os
import signal
import sys

folder = sys.argv[1]
ports = dict(zip(('account', 'container', 'object'), map(int, sys.argv[2:5])))

# Nothing here outlives its test: a disk that is really written to only slows it down.
os.fsync = os.fdatasync = lambda descriptor: None

from swift.common import utils  # noqa: E402

utils.SWIFT_CONF_FILE = os.path.join(folder, 'swift.conf')

from swift.common.ring import RingBuilder  # noqa: E402
from swift.common.wsgi import run_wsgi  # noqa: E402
from swift.account import server as account  # noqa: E402,F401
from swift.container import server as container  # noqa: E402,F401
from swift.obj import server as objects  # noqa: E402
from swift.proxy import server as proxy  # noqa: E402,F401

if 'heads-tell-length' in sys.argv:
    from swift.common.middleware.listing_formats import ListingFilter

    answer = ListingFilter.__call__

    def telling_length(self, env, start_response):
        def start(status, headers, *rest):
            names = [name.lower() for name, _ in headers]
            if env['REQUEST_METHOD'] == 'HEAD' and status.startswith('204') and 'content-length' not in names:
                headers = [*headers, ('Content-Length', '0')]
            return start_response(status, headers, *rest)
        return answer(self, env, start)

    ListingFilter.__call__ = telling_length

for name, port in ports.items():
    builder = RingBuilder(8, 1, 1)
    builder.add_dev({'region': 1, 'zone': 1, 'ip': '127.0.0.1', 'port': port, 'device': 'd1', 'weight': 100})
    builder.rebalance()
    builder.get_ring().save(os.path.join(folder, name + '.ring.gz'))

PR_SET_PDEATHSIG = 1
libc = ctypes.CDLL(None)
parent = os.getpid()
for name in [*ports, 'proxy']:
    if os.fork() == 0:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
        options = {'global_conf_callback': objects.global_conf_callback} if name == 'object' else {}
        os._exit(run_wsgi(os.path.join(folder, name + '-server.conf'), name + '-server', verbose=True, **options) or 0)

# One that ends takes all with it: half a Swift is no Swift.
os.wait()
sys.exit('one of the servers ended')
