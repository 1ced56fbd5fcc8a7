"""Real Keystone, from nothing: python3 keystone-server.py FOLDER PORT ADMIN_PASSWORD

The folder holds keystone.conf. Keys, database and the first user are made by keystone-manage's own commands, each in a
fork, so that the imports are paid for once.
"""
import os
import sqlite3
import sys
from wsgiref.simple_server import WSGIRequestHandler, make_server

folder, port, password = sys.argv[1], int(sys.argv[2]), sys.argv[3]
config = os.path.join(folder, 'keystone.conf')
os.fsync = os.fdatasync = lambda descriptor: None

from keystone.cmd import cli  # noqa: E402
from keystone.server.flask import core  # noqa: E402


def manage(*words):
    child = os.fork()
    if child == 0:
        sys.argv = ['keystone-manage', '--config-file', config, *words]
        cli.main(sys.argv)
        sys.stderr.flush()
        os._exit(0)
    if os.waitpid(child, 0)[1] != 0:
        sys.exit('keystone-manage ' + words[0] + ' failed')


url = 'http://127.0.0.1:%d/v3' % port
if not os.path.exists(os.path.join(folder, 'keystone.db')):
    manage('fernet_setup', '--keystone-user', 'root', '--keystone-group', 'root')
    manage('db_sync')
    # Otherwise a read that is not yet collected as garbage stands in the way of the next write.
    sqlite3.connect(os.path.join(folder, 'keystone.db')).execute('pragma journal_mode=wal')
    manage('bootstrap', '--bootstrap-password', password, '--bootstrap-public-url', url, '--bootstrap-internal-url', url)


class Quiet(WSGIRequestHandler):
    def log_message(self, *_):
        pass


# Keystone reads the command line for itself.
sys.argv = sys.argv[:1]
application = core.initialize_application(name='public', config_files=[config])
make_server('127.0.0.1', port, application, handler_class=Quiet).serve_forever()
