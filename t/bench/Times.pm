package Times;

# What the time of an answer may not tell (T002, T097): pairs of requests that must
# take the same time, each pair in the other order than the last, on one
# connection.  Nothing is counted against anybody long enough to wait: each comes
# from an address of its own, and the database forgets its guesses between pairs.

use strict;
use warnings;

use JSON::PP ();

use Bench qw(command connection exchange mann_whitney median);
use Portal::Place qw(slurp spew top);

my ($stack, $town, $count, $rounds, $client, $say);


# returns [figures, each [figure, now, end, format, values]], {pair => rounds}
sub measure {
    my (%o) = @_;

    ($stack, $town, $count, $rounds, $client, $say)
        = @o{qw(stack town count rounds client say)};

    $stack->psql('select sum(length(a::text)) from portal.account a');
    my @pairs = ([_pairs('T002 known / unknown address', 300, _passwords())],
        [_pairs('T097 begins as a code / as none', 500, _codes())]);

    return [map { @$_[1 .. 3] } @pairs], { map { @{ $_->[0] } } @pairs };
}

# two => code of the round and the number of a pair that returns two requests;
# both must be answered by that status
sub _pairs {
    my ($name, $count, $status, $two) = @_;

    my (@ratio, @apart, @p, @raw);
    my $c = connection($stack);

    for my $round (0 .. $rounds - 1) {
        my @took = ([], []);

        # the first ones are for warmth
        for my $n (-20 .. $count - 1) {
            my @request = $two->($c, $round * ($count + 20) + $n + 20);
            for my $which ($n % 2 ? (1, 0) : (0, 1)) {
                my ($got, $body, $ms) = exchange($c, $request[$which]);
                die "$name: $got instead of $status: $body\n" if $got != $status;
                push @{ $took[$which] }, $ms if $n >= 0;
            }
            $stack->psql('delete from portal.attempt') if $n % 50 == 0;
        }

        my @median = map { median(@$_) } @took;
        push @ratio, $median[0] / $median[1];
        push @apart, abs($median[0] - $median[1]);
        push @p, mann_whitney(@took);
        $say->(sprintf '%-32s medians %.3f and %.3f ms, ratio %.4f, p %.3f',
            $name, @median, $ratio[-1], $p[-1]);
        push @raw, { medians => \@median, p => $p[-1] };
    }

    return [$name => \@raw], [$name, '', '', '%.4f', @ratio],
        ['  medians apart (ms)', '<= 2', '<= 2', '%.3f', @apart],
        ['  Mann-Whitney p', '>= 0.01', '>= 0.01', '%.3f', @p];
}

sub _post_of {
    my ($path, $cookie, $fields) = @_;

    my $body = JSON::PP->new->utf8->encode($fields);

    return "POST $path HTTP/1.1\r\nHost: $town.localhost:" . $stack->port
        . "\r\nAccept: application/json\r\nContent-Type: application/json"
        . "\r\nSec-Fetch-Site: same-origin\r\nCookie: $cookie\r\nX-Real-IP: "
        . join('.', 10, map { int rand 254 } 1 .. 3)
        . "\r\nContent-Length: " . length($body) . "\r\n\r\n$body";
}

# a wrong password, of an address that has an account and of one that has none
sub _passwords {
    my $c = $client->(nobody => 1, json => 1);
    my $csrf = $c->get('/connexion')->json->{csrf};
    my $visit = '__Host-visit=' . $c->cookie('__Host-visit');

    return 422, sub {
        my (undef, $n) = @_;
        my $number = 1 + $n % $count;
        return map { _post_of('/connexion', $visit, { csrf => $csrf,
            password => "pas-celui-la-$n", email => "$_-$number\@exemple.fr" })
        } qw(generated inconnus8);
    };
}

# a code that differs from one that is good in its last signs, and one that
# differs from the first
sub _codes {
    my @signs = split //, '23456789ABCDEFGHJKMNPQRSTUVWXYZ';
    my %value = map { $signs[$_] => $_ } 0 .. $#signs;
    my @good = _good_codes(520);
    my @sessions = map { (split /\t/)[0] } split /^/, slurp("$stack->{dir}/few.tsv");

    # eleven signs and the last that makes them a code
    my $whole = sub {
        my ($text) = @_;
        my $sum = 0;
        $sum += ($_ + 1) * $value{ substr $text, $_, 1 } for 0 .. 10;
        my ($last) = grep { ($sum + 12 * $_) % 31 == 1 } 0 .. 30;
        return $text . $signs[$last];
    };

    return 422, sub {
        my ($line, $n) = @_;
        my $cookie = "__Host-portal=$sessions[$n % @sessions]";
        my (undef, $session) = exchange($line, "GET /session HTTP/1.1\r\nHost: "
            . "$town.localhost:" . $stack->port . "\r\nAccept: application/json"
            . "\r\nCookie: $cookie\r\n\r\n");
        my ($csrf) = $session =~ /"csrf"\s*:\s*"([^"]+)"/ or die "no token: $session\n";
        my $good = $good[$n % @good];
        my $near = substr($good, 0, 10)
            . $signs[($value{ substr $good, 10, 1 } + 1 + rand 30) % 31];
        return map { _post_of('/mes-abonnements/nouveau', $cookie, {
            csrf => $csrf, step => 'search', code => $whole->($_) })
        } $near, join '', map { $signs[rand 31] } 1 .. 11;
    };
}

# as many codes of the town that are free and good
sub _good_codes {
    my ($count) = @_;

    my @people = $stack->psql("select g.tenant, g.family_id, g.id, gen_random_uuid()
          from portal.guardian g join portal.town t on t.id = g.tenant
         where t.slug = '$town' and not exists (select 1 from portal.code k
               where k.tenant = g.tenant and k.guardian_id = g.id)
         order by g.id limit $count");
    my @made = map { [split /\t/] } _batch(map { "code\t$town\t$_->[3]" } @people);

    die "only " . @made . " codes\n" if @made < $count;
    $stack->psql('insert into portal.code (tenant, family_id, guardian_id, mac,
        expires_at) values ' . join ', ', map { "($people[$_][0], $people[$_][1],
            $people[$_][2], '\\x$made[$_][1]', now() + interval '1 day')" } 0 .. $#made);
    $stack->psql('vacuum analyze portal.code');

    return map { $_->[0] =~ tr/-//dr } @made;
}

# lines through portal-tool
sub _batch {
    my $file = "$stack->{dir}/batch.in";

    spew($file, join '', map { "$_\n" } @_);

    return split /\n/, command('sh', '-c', 'exec "$1" -k "$2" batch < "$3"', 'sh',
        top() . '/build/portal-tool', $stack->keys, $file);
}

1;
