package Portal::Balancer;

# A plain nginx in front of several nodes: the town's one address.

use strict;
use warnings;

use parent 'Portal::Nginx';

use Portal::Place qw(user);


sub conf {
    my ($self) = @_;

    my $dir = $self->{dir};
    my ($user) = user('nginx');

    return join "\n",
        $user ? "user $user;" : (),
        'worker_processes 1;',
        "pid $dir/nginx.pid;",
        "error_log $dir/logs/error.log notice;",
        'events { worker_connections 1024; }',
        'http {',
        "    access_log $dir/logs/access.log;",
        $self->_temp_paths,
        '    upstream portal {',
        # one connection that a reload has closed must not put a node out for
        # ten seconds, least of all the last one
        (map { "        server 127.0.0.1:$_ max_fails=0;" }
            @{ $self->{stack}{ports} }),
        '        keepalive 32;',
        '    }',
        '    server {', $self->_listen(''),
        '        client_max_body_size 0;',
        '        location / {',
        '            proxy_pass http://portal;',
        '            proxy_http_version 1.1;',
        '            proxy_set_header Connection "";',
        '            proxy_set_header Host $http_host;',
        '            proxy_set_header X-Forwarded-For $remote_addr;',
        '            proxy_connect_timeout 2s;',
        '            proxy_read_timeout 10s;',
        '        }',
        '    }',
        '}', '';
}


1;
